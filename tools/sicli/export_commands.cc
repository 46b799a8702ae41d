// sicli export.

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/posix_file_system.h"
#include "base/status.h"
#include "tools/sicli/command.h"
#include "tools/sicli/kv_output.h"
#include "tools/sicli/transfer/dump.h"
#include "tools/sicli/transfer/progress_bar.h"

namespace sisyphus::sicli {
namespace {

constexpr size_t kBufferBytes = 256 << 10;
constexpr char kStandardOutput[] = "-";

struct ExportArguments {
  std::string file;
  std::optional<uint64_t> revision;
  bool resume = false;
  bool overwrite = false;
};

Status Invalid(const std::string& what) { return MakeStatus(StatusCode::kInvalidArgument, what); }

bool SameRange(const KeyRange& a, const KeyRange& b) {
  return a.start == b.start && a.end == b.end;
}

// Where a dump goes, in pieces of some size that end with a line.
class DumpWriter {
 public:
  Status Open(const std::string& path, uint64_t at) {
    if (path == kStandardOutput) return OkStatus();
    auto file = at == 0 ? PosixFileSystem().NewWritableFile(path)
                        : PosixFileSystem().OpenForAppend(path, at);
    SIS_RETURN_IF_ERROR(file.status());
    file_ = *std::move(file);
    return OkStatus();
  }

  std::string& buffer() { return buffer_; }
  uint64_t bytes() const { return written_ + buffer_.size(); }

  Status FlushIfFull() { return buffer_.size() < kBufferBytes ? OkStatus() : Flush(); }
  Status Flush() {
    SIS_RETURN_IF_ERROR(file_ == nullptr ? WriteOut(buffer_) : file_->Append(buffer_));
    written_ += buffer_.size();
    buffer_.clear();
    return OkStatus();
  }
  // All is on the disk then.
  Status Finish() {
    SIS_RETURN_IF_ERROR(Flush());
    if (file_ == nullptr) return OkStatus();
    SIS_RETURN_IF_ERROR(file_->Sync());
    return file_->Close();
  }

 private:
  std::unique_ptr<WritableFile> file_;  // Null: standard output.
  std::string buffer_;
  uint64_t written_ = 0;
};

// What stands in the file already. Nothing, unless this goes on with it.
StatusOr<DumpFile> WhatIsThere(const ExportArguments& arguments) {
  if (arguments.file == kStandardOutput) {
    if (!arguments.resume && !arguments.overwrite) return DumpFile();
    return Invalid("--resume and --overwrite are about a file");
  }
  SIS_ASSIGN_OR_RETURN(const bool exists, PosixFileSystem().Exists(arguments.file));
  if (!exists || arguments.overwrite) return DumpFile();
  if (!arguments.resume) {
    return Invalid(arguments.file +
                   " is there already; --resume goes on with it, --overwrite begins anew");
  }
  SIS_ASSIGN_OR_RETURN(const auto file, PosixFileSystem().OpenForRead(arguments.file));
  StatusOr<DumpFile> found = InspectDump(*file);
  if (!found.ok()) return Invalid(arguments.file + ": " + std::string(MessageOf(found.status())));
  return found;
}

// The first line: of what is there, which the command line must not contradict, or a new one.
StatusOr<DumpHeader> HeaderOf(Client& client, const ExportArguments& arguments,
                              const KeyArguments& keys, const DumpFile& there) {
  const bool named = keys.has_prefix || keys.has_start_or_end;
  SIS_ASSIGN_OR_RETURN(const KeyRange range, keys.Range(/*all_by_default=*/true));
  if (there.begun) {
    if (named && !SameRange(range, there.header.range)) {
      return Invalid(arguments.file + " is the export of another range");
    }
    if (arguments.revision && *arguments.revision != there.header.revision) {
      return Invalid(arguments.file + " is the export of revision " +
                     std::to_string(there.header.revision));
    }
    if (there.finished) return there.header;
  }
  SIS_ASSIGN_OR_RETURN(const ClusterStatus cluster, client.Cluster());
  if (there.begun) {
    if (cluster.cluster_id == there.header.cluster_id) return there.header;
    return Invalid(arguments.file + " is the export of another cluster, " +
                   there.header.cluster_id);
  }
  SIS_ASSIGN_OR_RETURN(
      const RangePage page,
      client.Range(range,
                   {.limit = 1, .keys_only = true, .read = {.revision = arguments.revision}}));
  return DumpHeader{.revision = page.revision, .cluster_id = cluster.cluster_id, .range = range};
}

class Exporter {
 public:
  Exporter(Client* client, DumpHeader header, DumpFile there)
      : client_(client), header_(std::move(header)), keys_(there.keys) {
    rest_ = header_.range;
    if (!there.last_key.empty()) rest_.start = there.last_key + '\0';
  }

  uint64_t keys() const { return keys_; }

  Status Run(DumpWriter* writer, bool begun) {
    if (!begun) writer->buffer() += LineOf(header_);
    SIS_RETURN_IF_ERROR(Scan(writer));
    writer->buffer() += LineOf(DumpEnd{keys_});
    return writer->Finish();
  }

 private:
  Status Scan(DumpWriter* writer) {
    Progress progress{.keys = keys_, .total = Total()};
    progress.done = keys_;
    ProgressBar bar(progress);
    Status written;
    const auto revision =
        client_->Scan(rest_, {.read = {.revision = header_.revision}}, [&](const KeyValue& kv) {
          AppendLine(kv, &writer->buffer());
          progress.done = progress.keys = ++keys_;
          progress.bytes = writer->bytes();
          written = writer->FlushIfFull();
          bar.Show(progress);
          return written.ok();
        });
    SIS_RETURN_IF_ERROR(written);
    // What has come stands, for who goes on.
    if (!revision.ok() && revision.status().code() != StatusCode::kCancelled) {
      SIS_RETURN_IF_ERROR(writer->Flush());
    }
    return revision.status();
  }

  // Asked for only where a bar is seen: it is one more walk.
  uint64_t Total() {
    if (ProgressBar::Hidden()) return 0;
    const auto rest = client_->Count(rest_, {.revision = header_.revision});
    return rest.ok() ? keys_ + rest->count : 0;
  }

  Client* const client_;
  const DumpHeader header_;
  KeyRange rest_;  // What is not in the file yet.
  uint64_t keys_;  // In the file.
};

Status Explained(const Status& status, const ExportArguments& arguments, uint64_t keys) {
  if (arguments.file == kStandardOutput || status.ok()) return status;
  if (CompactRevisionOf(status) || status.code() == StatusCode::kOutOfRange) {
    return MakeStatus(status.code(), std::string(MessageOf(status)) +
                                         "; this export cannot be finished: begin anew, with "
                                         "--overwrite");
  }
  if (status.code() != StatusCode::kUnavailable) return status;
  return MakeStatus(status.code(), std::string(MessageOf(status)) + "; " + arguments.file +
                                       " has " + std::to_string(keys) +
                                       " keys, --resume goes on with it");
}

Status Summarise(const Context& context, const ExportArguments& arguments, const DumpHeader& header,
                 uint64_t keys, uint64_t resumed_at) {
  if (arguments.file != kStandardOutput) {
    return context.output.Record({{"file", arguments.file},
                                  {"revision", header.revision},
                                  {"keys", keys},
                                  {"resumed_at", resumed_at}});
  }
  // The data went to standard output.
  std::fprintf(stderr, "exported %llu keys of revision %llu\n",
               static_cast<unsigned long long>(keys),
               static_cast<unsigned long long>(header.revision));
  return OkStatus();
}

Status Export(const Context& context, const KeyArguments& keys, const ExportArguments& arguments) {
  SIS_ASSIGN_OR_RETURN(const DumpFile there, WhatIsThere(arguments));
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(const DumpHeader header, HeaderOf(*client, arguments, keys, there));
  if (there.finished) return Summarise(context, arguments, header, there.keys, there.keys);
  DumpWriter writer;
  SIS_RETURN_IF_ERROR(writer.Open(arguments.file, there.whole_bytes));
  Exporter exporter(client.get(), header, there);
  const Status status = exporter.Run(&writer, there.begun);
  if (!status.ok()) return Explained(status, arguments, exporter.keys());
  return Summarise(context, arguments, header, exporter.keys(), there.keys);
}

}  // namespace

void AddExportCommands(CLI::App& app, Invocation& invocation) {
  const auto arguments = std::make_shared<ExportArguments>();
  const auto keys = std::make_shared<KeyArguments>();
  CLI::App* command =
      app.add_subcommand("export", "Write keys and values to a file, as they are at one revision");
  command->group(kDataGroup);
  command->footer(
      "A line a key, as JSON, between a line that says what it is and one that says that nothing "
      "is\n"
      "missing. What was interrupted goes on with --resume, at the same revision, while history\n"
      "holds it. A lease is only mentioned: sicli import decides what becomes of its keys; a\n"
      "snapshot keeps leases.");
  command->add_option("FILE", arguments->file, "where to; - is standard output")->required();
  AddRangeOptions(command, keys);
  command
      ->add_option("--rev", arguments->revision,
                   "as it was at this revision; left out: as it is now")
      ->check(CLI::PositiveNumber)
      ->type_name("REVISION");
  CLI::Option* resume = command->add_flag("--resume", arguments->resume,
                                          "go on with what an interrupted export has left, if any");
  command->add_flag("--overwrite", arguments->overwrite, "replace the file if it is there")
      ->excludes(resume);
  command->callback([&invocation, arguments, keys] {
    invocation.run = [arguments, keys](const Context& context) {
      return Export(context, *keys, *arguments);
    };
  });
}

}  // namespace sisyphus::sicli
