// sicli import.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/posix_file_system.h"
#include "base/status.h"
#include "base/thread_executor.h"
#include "tools/sicli/command.h"
#include "tools/sicli/transfer/dump.h"
#include "tools/sicli/transfer/dump_reader.h"
#include "tools/sicli/transfer/import_state.h"
#include "tools/sicli/transfer/importer.h"
#include "tools/sicli/transfer/progress_bar.h"

namespace sisyphus::sicli {
namespace {

constexpr Duration kSaveInterval = std::chrono::seconds(1);
constexpr size_t kMostMistakes = 20;  // That are told of; the rest is counted.
constexpr size_t kMostConnections = 64;
constexpr char kStandardInput[] = "-";

// What becomes of a key that had a lease.
enum class LeasePolicy {
  kSkip,     // It is left out: it was to end.
  kForever,  // It stays for good.
  kSame,     // It gets the lease of that id, which must live.
};

struct ImportArguments {
  std::string file;
  size_t connections = 4;
  bool resume = false;
  bool partial = false;
  bool dry_run = false;
  bool if_absent = false;
  LeasePolicy leases = LeasePolicy::kSkip;

  bool from_file() const { return file != kStandardInput; }
  std::string name() const { return from_file() ? file : "standard input"; }
  std::string state_path() const { return file + ".import-state"; }
};

Status Invalid(const std::string& what) { return MakeStatus(StatusCode::kInvalidArgument, what); }

// The dump: a file, or what standard input or a pipe gives.
class Source {
 public:
  ~Source() {
    if (descriptor_ > STDERR_FILENO) close(descriptor_);
  }
  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  Status Open(const ImportArguments& arguments) {
    if (!arguments.from_file()) return OkStatus();
    descriptor_ = open(arguments.file.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ < 0) return Invalid(std::string(MessageOf(ErrnoStatus(errno, arguments.file))));
    struct stat info {};
    if (fstat(descriptor_, &info) != 0 || !S_ISREG(info.st_mode)) return OkStatus();
    SIS_ASSIGN_OR_RETURN(file_, PosixFileSystem().OpenForRead(arguments.file));
    return OkStatus();
  }
  Status GoTo(uint64_t offset) {
    if (offset == 0 || lseek(descriptor_, static_cast<off_t>(offset), SEEK_SET) >= 0) {
      return OkStatus();
    }
    return MakeStatus(StatusCode::kInternal, std::string(MessageOf(ErrnoStatus(errno, "seek"))));
  }

  int descriptor() const { return descriptor_; }
  const RandomAccessFile* file() const { return file_.get(); }  // Null: it is no regular file.

 private:
  int descriptor_ = STDIN_FILENO;
  std::unique_ptr<RandomAccessFile> file_;
};

// --- Looking, without writing ---

Status DryRun(const Context& context, const ImportArguments& arguments) {
  Source source;
  SIS_RETURN_IF_ERROR(source.Open(arguments));
  DumpReader reader(source.descriptor(), arguments.name(), {});
  Completeness completeness;
  uint64_t mistakes = 0;
  uint64_t leased = 0;
  while (true) {
    StatusOr<std::optional<DumpLine>> line = reader.Next();
    if (line.ok() && !line->has_value()) break;
    Status status = line.status();
    if (status.ok()) {
      status = reader.At(reader.place(), completeness.Take(**line, reader.place().keys));
      const auto* kv = std::get_if<KeyValue>(&**line);
      if (kv != nullptr && kv->lease != 0) ++leased;
    }
    if (status.code() == StatusCode::kInternal) return status;
    if (!status.ok() && ++mistakes <= kMostMistakes) PrintError(MessageOf(status));
  }
  if (completeness.missing_end() && !arguments.partial) {
    ++mistakes;
    PrintError(arguments.name() + " is not finished: its export was interrupted");
  }
  SIS_RETURN_IF_ERROR(context.output.Record({{"file", arguments.file},
                                             {"keys", reader.next().keys},
                                             {"with_lease", leased},
                                             {"mistakes", mistakes}}));
  return mistakes == 0 ? OkStatus() : ExitWith(kExitUsage, "");
}

// --- Writing ---

class Import {
 public:
  Import(const Context& context, const ImportArguments& arguments)
      : context_(context), arguments_(arguments) {}

  Status Run() {
    SIS_RETURN_IF_ERROR(source_.Open(arguments_));
    SIS_RETURN_IF_ERROR(CheckSource());
    SIS_RETURN_IF_ERROR(FindState());
    SIS_RETURN_IF_ERROR(source_.GoTo(begin_.offset));
    SIS_ASSIGN_OR_RETURN(importer_, Importer::Create({.client = context_.Options(),
                                                      .connections = arguments_.connections,
                                                      .if_absent = arguments_.if_absent}));
    DumpReader reader(source_.descriptor(), arguments_.name(), begin_);
    Status status = ReadAll(&reader);
    // What stood before a mistake is written all the same.
    DumpPlace failed_at;
    const Status written = importer_->Finish(&failed_at);
    if (!written.ok()) status = reader.At(failed_at, written);
    if (!status.ok()) {
      SIS_RETURN_IF_ERROR(SaveState(importer_->DoneUpTo(end_)));
      return Explained(status);
    }
    if (arguments_.resume) SIS_RETURN_IF_ERROR(ForgetState());
    return Summarise();
  }

 private:
  // An export that was interrupted is found out before any of it is written.
  Status CheckSource() {
    if (source_.file() == nullptr) {
      return arguments_.resume ? Invalid("--resume needs a regular file") : OkStatus();
    }
    if (arguments_.partial) return OkStatus();
    SIS_ASSIGN_OR_RETURN(const bool lacks_end, LacksItsEnd(*source_.file()));
    return lacks_end ? Unfinished() : OkStatus();
  }

  Status Unfinished() const {
    return Invalid(arguments_.name() +
                   " is not finished: its export was interrupted (sicli export --resume goes on "
                   "with it, import --partial takes what is there)");
  }

  Status FindState() {
    if (!arguments_.resume) return OkStatus();
    SIS_ASSIGN_OR_RETURN(const auto client, context_.Connect());
    SIS_ASSIGN_OR_RETURN(const ClusterStatus cluster, client->Cluster());
    cluster_id_ = cluster.cluster_id;
    SIS_ASSIGN_OR_RETURN(const auto found,
                         LoadImportState(arguments_.state_path(), *source_.file()));
    if (!found) return OkStatus();
    if (found->cluster_id != cluster_id_) {
      return Invalid(arguments_.state_path() + " is about another cluster, " + found->cluster_id +
                     "; delete it to begin anew");
    }
    begin_ = found->place;
    return OkStatus();
  }

  Status ReadAll(DumpReader* reader) {
    const uint64_t size = source_.file() == nullptr ? 0 : source_.file()->size();
    Progress progress{.keys = begin_.keys, .done = begin_.offset, .total = size};
    progress.bytes = begin_.offset;
    ProgressBar bar(progress);
    MonotonicTime next_save = RealClock().Now() + kSaveInterval;
    Completeness completeness;
    end_ = begin_;
    while (true) {
      SIS_ASSIGN_OR_RETURN(std::optional<DumpLine> line, reader->Next());
      if (!line) break;
      const Status status = completeness.Take(*line, reader->place().keys);
      if (!status.ok()) return reader->At(reader->place(), status);
      if (!Take(std::move(*line), reader->place())) return OkStatus();  // Finish says why.
      end_ = reader->next();
      const DumpPlace done = importer_->DoneUpTo(end_);
      progress.keys = done.keys;
      progress.bytes = progress.done = done.offset;
      bar.Show(progress);
      if (RealClock().Now() < next_save) continue;
      SIS_RETURN_IF_ERROR(SaveState(done));
      next_save = RealClock().Now() + kSaveInterval;
    }
    // Of a file that was looked at before.
    return completeness.missing_end() && !arguments_.partial ? Unfinished() : OkStatus();
  }

  // False: nothing more is taken.
  bool Take(DumpLine line, const DumpPlace& place) {
    auto* kv = std::get_if<KeyValue>(&line);
    if (kv == nullptr) return true;
    if (kv->lease != 0 && arguments_.leases == LeasePolicy::kSkip) {
      ++skipped_;
      return true;
    }
    if (arguments_.leases == LeasePolicy::kForever) kv->lease = 0;
    return importer_->Add(place, std::move(*kv));
  }

  Status SaveState(const DumpPlace& done) {
    if (!arguments_.resume) return OkStatus();
    return SaveImportState(arguments_.state_path(), *source_.file(),
                           {.place = done, .cluster_id = cluster_id_});
  }

  Status ForgetState() {
    const Status deleted = PosixFileSystem().Delete(arguments_.state_path());
    return deleted.code() == StatusCode::kNotFound ? OkStatus() : deleted;
  }

  Status Explained(const Status& status) const {
    const uint64_t keys = importer_->DoneUpTo(end_).keys;
    return MakeStatus(status.code(), std::string(MessageOf(status)) + "; the " +
                                         std::to_string(keys) + " keys before it are written");
  }

  Status Summarise() const {
    const ImportCounts counts = importer_->counts();
    return context_.output.Record({{"file", arguments_.file},
                                   {"keys", end_.keys},
                                   {"written", counts.written},
                                   {"kept", counts.kept},
                                   {"skipped", skipped_},
                                   {"resumed_at", begin_.keys},
                                   {"revision", counts.revision}});
  }

  const Context& context_;
  const ImportArguments& arguments_;
  Source source_;
  std::string cluster_id_;
  DumpPlace begin_;
  DumpPlace end_;  // Behind the last line that was taken.
  uint64_t skipped_ = 0;
  std::unique_ptr<Importer> importer_;
};

}  // namespace

void AddImportCommands(CLI::App& app, Invocation& invocation) {
  const auto arguments = std::make_shared<ImportArguments>();
  CLI::App* command = app.add_subcommand("import", "Write the keys and values of a file");
  command->group(kDataGroup);
  command->footer(
      "A line a key, as JSON: {\"key\":\"k\",\"value\":\"v\"}, or key_base64 and value_base64 for "
      "bytes\n"
      "that are not UTF-8; what sicli export writes. Of two lines with one key the last one "
      "stays.\n"
      "A mistake ends it and is named with its line; the lines before it are written. Writing a\n"
      "line twice does no harm: whatever ended an import, it can be done again from the start, or\n"
      "be gone on with if --resume was given the first time, too.");
  command->add_option("FILE", arguments->file, "what export has written; - is standard input")
      ->required();
  command
      ->add_option("--parallel", arguments->connections, "so many connections at once (default 4)")
      ->check(CLI::Range(size_t{1}, kMostConnections))
      ->type_name("N");
  CLI::Option* resume = command->add_flag(
      "--resume", arguments->resume,
      "note in FILE.import-state how far it has come, and go on from there if that is there");
  command->add_flag("--if-absent", arguments->if_absent, "leave keys that are there as they are");
  command
      ->add_option("--leases", arguments->leases,
                   "keys that had a lease: skip them (the default), let them stay forever, or give "
                   "them the same lease, which must live")
      ->transform(
          CLI::Transformer(std::map<std::string, LeasePolicy>{{"skip", LeasePolicy::kSkip},
                                                              {"forever", LeasePolicy::kForever},
                                                              {"same", LeasePolicy::kSame}}))
      ->type_name("WHAT");
  command->add_flag("--partial", arguments->partial, "take an export that was interrupted");
  command
      ->add_flag("--dry-run", arguments->dry_run,
                 "only read the file, and tell of every mistake in it; asks no cluster")
      ->excludes(resume);
  command->callback([&invocation, arguments] {
    invocation.about_settings = arguments->dry_run;
    invocation.run = [arguments](const Context& context) {
      return arguments->dry_run ? DryRun(context, *arguments) : Import(context, *arguments).Run();
    };
  });
}

}  // namespace sisyphus::sicli
