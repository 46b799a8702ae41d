#include "tests/sim/plants.h"

namespace sisyphus::testing {
namespace {

constexpr Plant kPlants[] = {
    // Elections.
    {Planted::kVoteTwice, "vote-twice", "a vote is given to whoever asks, also a second one"},
    {Planted::kVoteForOldLog, "vote-for-old-log", "the candidate's log is not looked at"},
    {Planted::kVoteForShorterLog, "vote-for-shorter-log",
     "of logs that end in the same term the shorter one gets votes too"},
    {Planted::kVoteBeforeSync, "vote-before-sync", "a vote is sent before it is on disk"},
    {Planted::kVoteNotWritten, "vote-not-written", "the term is written, the vote in it is not"},
    {Planted::kForgetVote, "forget-vote", "who gives up its candidacy forgets its vote"},
    {Planted::kElectByMinority, "elect-by-minority", "half of the voters, rounded down, elect"},
    // Replication.
    {Planted::kCommitByMinority, "commit-by-minority", "half of the voters, rounded down, commit"},
    {Planted::kHeartbeatBeyondMatch, "heartbeat-beyond-match",
     "a heartbeat commits what the follower is not known to share"},
    {Planted::kApplyBeforeCommit, "apply-before-commit", "what is on the own disk is applied"},
    {Planted::kAckBeforeSync, "ack-before-sync", "an append is answered before it is on disk"},
    {Planted::kTruncateOnDuplicate, "truncate-on-duplicate",
     "an append cuts the log behind it though nothing conflicts"},
    {Planted::kKeepConflict, "keep-conflict", "an entry that conflicts is kept"},
    {Planted::kPreviousTermUnchecked, "previous-term-unchecked",
     "of the entry before an append only the index is compared"},
    {Planted::kCountOlderTerms, "count-older-terms",
     "entries of older terms are committed by counting their copies"},
    {Planted::kSkipNoop, "skip-no-op", "a new leader appends no entry of its own term"},
    // The node.
    {Planted::kSkipStalledEntries, "skip-stalled-entries",
     "entries are dropped while the tree takes no writes"},
    {Planted::kWaiterByIndex, "waiter-by-index", "waiters are found by index alone"},
    {Planted::kRetryLostProposals, "retry-lost-proposals",
     "a deposed leader proposes again what may be in other logs"},
    {Planted::kLostCalledRefused, "lost-called-refused",
     "a forwarded write whose answer is lost counts as not made"},
    {Planted::kDropUnflushedLog, "drop-unflushed-log",
     "the log is dropped behind what is applied, not what is flushed"},
    {Planted::kReceivedNotSynced, "received-not-synced", "a snapshot's files are not synced"},
    {Planted::kLeadsWithoutSpace, "leads-without-space",
     "a leader whose disk is nearly full goes on to lead, and takes no writes"},
    {Planted::kDroppedReadIsFatal, "dropped-read-is-fatal",
     "a node stops when old entries that it reads for a follower are compacted meanwhile"},
    // Reads.
    {Planted::kReadWithoutQuorum, "read-without-quorum", "a read asks no majority"},
    {Planted::kReadBeforeOwnTerm, "read-before-own-term",
     "a new leader reads before an entry of its own term is committed"},
    {Planted::kReadJoinsOldRound, "read-joins-old-round",
     "a read joins a round of heartbeats that is under way"},
    {Planted::kReuseReadContext, "reuse-read-context",
     "a read's round has the number of the one before: older answers confirm it"},
    {Planted::kReadJoinsOldRequest, "read-joins-old-request",
     "a follower's read joins a request to the leader that is under way"},
    {Planted::kReadBeforeApplied, "read-before-applied", "a read does not wait for its index"},
    {Planted::kFollowerTrustsItsCommit, "follower-trusts-its-commit",
     "a follower reads at its own commit index"},
    {Planted::kLeaseWithoutEnd, "lease-without-end",
     "a lease holds until another leader is heard, also after a pause"},
    {Planted::kLongLease, "long-lease", "a lease is longer than the promises that it rests on"},
    // The log on disk, and files.
    {Planted::kLogNotSynced, "log-not-synced", "the log is not synced"},
    {Planted::kSegmentNameNotSynced, "segment-name-not-synced",
     "a new log segment's name is not synced"},
    {Planted::kTornRecordReplayed, "torn-record-replayed",
     "the checksum of a log record's payload is not compared"},
    {Planted::kReplacementNotSynced, "replacement-not-synced",
     "a file is replaced by one that is not synced"},
    // The tree.
    {Planted::kManifestNotSynced, "manifest-not-synced", "the manifest's edits are not synced"},
    {Planted::kTableNotSynced, "table-not-synced", "tables are not synced"},
    {Planted::kTableNameNotSynced, "table-name-not-synced", "the names of tables are not synced"},
    {Planted::kFlushedTooHigh, "flushed-too-high",
     "a flush claims what was written while it was waiting"},
    {Planted::kDropDeletionEarly, "drop-deletion-early",
     "deletions are dropped above older versions"},
    {Planted::kDropAboveFloor, "drop-above-floor",
     "compaction drops versions above the floor of history"},
    {Planted::kCompactNewestAlone, "compact-newest-alone",
     "the newest table of level 0 is compacted without the others"},
    {Planted::kCheckpointTooNew, "checkpoint-too-new",
     "a checkpoint claims what is in memory only"},
    // The state machine.
    {Planted::kDecideByFlushed, "decide-by-flushed",
     "conditions look at what is flushed, which differs between replicas"},
    {Planted::kConditionAtProposal, "condition-at-proposal",
     "a condition is judged before the write is ordered"},
    {Planted::kTxnHalf, "txn-half", "a refused transaction leaves what it did before"},
    {Planted::kRepeatDoneAgain, "repeat-done-again", "a session's repeat is done once more"},
    {Planted::kRepeatAnsweredAnew, "repeat-answered-anew",
     "a session's repeat is answered as if it were the first"},
    {Planted::kSessionsNotInSnapshot, "sessions-not-in-snapshot",
     "a snapshot is installed without its sessions"},
    {Planted::kLeasesNotInSnapshot, "leases-not-in-snapshot",
     "a snapshot is installed without the deadlines of its leases"},
    {Planted::kLeaseByLocalClock, "lease-by-local-clock", "leases end by each replica's own clock"},
    {Planted::kTimeOfAnotherTerm, "time-of-another-term",
     "an earlier leader's time ends leases, too"},
    {Planted::kFloorAtOnce, "floor-at-once",
     "the tree forgets below a new floor before that is on disk"},
    {Planted::kPastBelowFloor, "past-below-floor", "the past is read below the floor"},
};

}  // namespace

std::span<const Plant> AllPlants() { return kPlants; }

const Plant* FindPlant(std::string_view name) {
  for (const Plant& plant : kPlants) {
    if (plant.name == name) return &plant;
  }
  return nullptr;
}

}  // namespace sisyphus::testing
