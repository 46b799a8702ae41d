// sicli txn.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/status.h"
#include "tools/sicli/command.h"
#include "tools/sicli/kv_output.h"
#include "tools/sicli/txn_text.h"

namespace sisyphus::sicli {
namespace {

constexpr char kLanguage[] =
    "A transaction is JSON as POST /v1/txn takes it, or lines like these:\n\n"
    "  if absent lock                 # or exists KEY\n"
    "  if version counter = 3         # value, version, create, mod, lease; =, !=, <, >\n"
    "  then\n"
    "    put lock me ttl 30s          # or lease ID\n"
    "    get counter\n"
    "    scan user/ limit 10          # reverse, keys-only, count-only\n"
    "    delete old\n"
    "    delete-prefix tmp/\n"
    "  else\n"
    "    get lock\n\n"
    "Words with blanks stand in quotes; in \"...\" there are \\n, \\t, \\\", \\\\ and \\xHH; a ; "
    "ends\n"
    "a line. If the comparisons do not hold, \"else\" is done and the exit code is 4.";

struct TxnArguments {
  std::string file = "-";
  std::vector<std::string> lines;
};

// One row for each thing that was done or found.
Json RowsOf(const TxnResult& result) {
  Json rows = Json::array();
  for (const TxnOperationResult& each : result.results) {
    switch (each.kind) {
      case TxnOperation::Kind::kPut:
        rows.push_back({{"did", "put"}, {"version", each.version}});
        break;
      case TxnOperation::Kind::kDelete:
        rows.push_back({{"did", "delete"}, {"count", each.deleted}});
        break;
      case TxnOperation::Kind::kGet:
        if (each.kvs.empty()) rows.push_back({{"did", "get"}, {"count", each.count}});
        for (const KeyValue& kv : each.kvs) {
          Json row = {{"did", "get"}, {"version", kv.version}};
          row.update(KeyValueJson(kv, false));
          rows.push_back(std::move(row));
        }
    }
  }
  return rows;
}

Status Txn(const Context& context, const TxnArguments& arguments) {
  std::string text;
  if (!arguments.lines.empty()) {
    for (const std::string& line : arguments.lines) text += line + "\n";
  } else if (arguments.file != "-") {
    SIS_ASSIGN_OR_RETURN(text, ReadFile(arguments.file));
  } else {
    SIS_ASSIGN_OR_RETURN(text, ReadIn());
  }
  SIS_ASSIGN_OR_RETURN(const Transaction transaction, ParseTransaction(text));
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(const TxnResult result, client->Txn(transaction));
  const std::vector<Column> columns = {{.field = "did"},
                                       {.field = "key"},
                                       {.field = "version", .right = true},
                                       {.field = "count", .right = true},
                                       {.field = "value", .shrinks = true}};
  SIS_RETURN_IF_ERROR(context.output.Rows(columns, RowsOf(result), TxnResultJson(result)));
  if (result.succeeded) return OkStatus();
  return MakeStatus(StatusCode::kFailedPrecondition, "a comparison did not hold");
}

}  // namespace

void AddTxnCommands(CLI::App& app, Invocation& invocation) {
  const auto arguments = std::make_shared<TxnArguments>();
  CLI::App* command = app.add_subcommand("txn", "Compare, and change several keys at once");
  command->group(kDataGroup);
  command->footer(kLanguage);
  CLI::Option* file = command->add_option("FILE", arguments->file,
                                          "what to do; - or nothing: it is on standard input");
  command->add_option("-e,--do", arguments->lines, "one line of it, repeatable")
      ->allow_extra_args(false)
      ->type_name("LINE")
      ->excludes(file);
  command->callback([&invocation, arguments] {
    invocation.compares = true;
    invocation.run = [arguments](const Context& context) { return Txn(context, *arguments); };
  });
}

}  // namespace sisyphus::sicli
