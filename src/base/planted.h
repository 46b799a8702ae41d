// SIS_PLANTED: known mistakes that the simulator must find, to prove that it can.
//
// Only the tests' own build of a room knows them (PLANTED in cmake/Rooms.cmake); in every other
// build the macro is the constant false and no trace of it is left. There, at most one mistake is
// made at a time: the one that `planted` names. tests/sim/plants.cc says what each of them is.
// Used in .cc files only, so that all builds agree on every header.
#ifndef SISYPHUS_BASE_PLANTED_H_
#define SISYPHUS_BASE_PLANTED_H_

#ifdef SISYPHUS_PLANTED_BUGS

namespace sisyphus {

enum class Planted {
  kNothing,
  // raft
  kApplyBeforeCommit,
  kForgetVote,
  kVoteForShorterLog,
  kVoteForOldLog,
  kVoteTwice,
  kVoteBeforeSync,
  kCommitByMinority,
  kElectByMinority,
  kReadJoinsOldRound,
  kReadBeforeOwnTerm,
  kHeartbeatBeyondMatch,
  kReadWithoutQuorum,
  kPreviousTermUnchecked,
  kTruncateOnDuplicate,
  kKeepConflict,
  kAckBeforeSync,
  kCountOlderTerms,
  kSkipNoop,
  kReuseReadContext,
  // node
  kLongLease,
  kLostCalledRefused,
  kRetryLostProposals,
  kWaiterByIndex,
  kSkipStalledEntries,
  kVoteNotWritten,
  kFollowerTrustsItsCommit,
  kReadJoinsOldRequest,
  kReadBeforeApplied,
  kLeaseWithoutEnd,
  kReceivedNotSynced,
  kDropUnflushedLog,
  kDroppedReadIsFatal,
  kLeadsWithoutSpace,
  // wal
  kSegmentNameNotSynced,
  kLogNotSynced,
  kTornRecordReplayed,
  // lsm
  kTableNameNotSynced,
  kCompactNewestAlone,
  kFlushedTooHigh,
  kCheckpointTooNew,
  kManifestNotSynced,
  kDropDeletionEarly,
  kTableNotSynced,
  kDropAboveFloor,
  // kv
  kDecideByFlushed,
  kConditionAtProposal,
  kTxnHalf,
  kRepeatDoneAgain,
  kRepeatAnsweredAnew,
  kSessionsNotInSnapshot,
  kLeasesNotInSnapshot,
  kLeaseByLocalClock,
  kTimeOfAnotherTerm,
  kFloorAtOnce,
  kPastBelowFloor,
  // base
  kReplacementNotSynced,
};

// Set before anything runs.
inline Planted planted = Planted::kNothing;

}  // namespace sisyphus

#define SIS_PLANTED(mistake) (::sisyphus::planted == ::sisyphus::Planted::mistake)

#else

#define SIS_PLANTED(mistake) false

#endif  // SISYPHUS_PLANTED_BUGS

#endif  // SISYPHUS_BASE_PLANTED_H_
