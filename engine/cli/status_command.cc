// `khipu status`: what a root holds and who writes it. Reads like any reader; changes nothing.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/base/time.h"
#include "engine/cli/commands.h"
#include "engine/cli/output.h"
#include "engine/cli/writer_access.h"
#include "engine/codec/statement.h"
#include "engine/os/lock_file.h"
#include "engine/protect/key_admin.h"
#include "engine/snapshot/store.h"

namespace khipu::cli {
namespace {

using Json = nlohmann::ordered_json;

struct FolderFacts {
  uint64_t files = 0, bytes = 0;
};

// Allocated or not, what the files say they hold. A folder that changes meanwhile is counted as it was met.
FolderFacts folder_facts(const std::filesystem::path& folder) {
  FolderFacts facts;
  std::error_code error;
  std::filesystem::recursive_directory_iterator at(folder, error);
  for (; !error && at != std::filesystem::recursive_directory_iterator(); at.increment(error)) {
    std::error_code gone;
    if (!at->is_regular_file(gone)) continue;
    const uintmax_t size = at->file_size(gone);
    if (gone) continue;
    ++facts.files;
    facts.bytes += size;
  }
  return facts;
}

struct Times {
  std::optional<TimeUs> oldest, newest;
  void add(TimeUs least, TimeUs most) {
    oldest = oldest ? std::min(*oldest, least) : least;
    newest = newest ? std::max(*newest, most) : most;
  }
};

// occurred_at of the events: sealed segments say it in their manifest entry, the active one is walked.
Result<Times> event_times(const snapshot::Snapshot& snapshot) {
  Times times;
  for (const snapshot::SegmentInfo& segment : snapshot.segments(TableId::kLogs)) {
    if (segment.rows == 0) continue;
    if (segment.sealed) {
      times.add(segment.time_min, segment.time_max);
      continue;
    }
    const Row end{segment.first_row.value + segment.rows};
    KHIPU_TRY(snapshot.scan(TableId::kLogs, segment.first_row, end, snapshot::Order::kAscending,
                            [&](const snapshot::ScannedRow& row) {
                              if (row.fault == codec::FrameFault::kNone)
                                times.add(row.frame.time_us, row.frame.time_us);
                              return true;
                            }));
  }
  return times;
}

// What was let go, what forbids it, and whether age counts.
Json retention_json(const snapshot::Snapshot& snapshot) {
  Json json = Json::object();
  for (const TableId table : {TableId::kLogs, TableId::kAccess}) {
    const std::vector<snapshot::Purge>& purges = snapshot.meta().purges(table);
    Json facts = {
        {"first_row", snapshot.meta().retained(table).value}, {"statements", purges.size()}, {"newest", Json()}};
    if (!purges.empty()) {
      facts["newest"] = {{"at", format_rfc3339(purges.back().at)},
                         {"policy", purges.back().policy},
                         {"recorded_last", format_rfc3339(purges.back().recorded_last)},
                         {"meta_row", purges.back().meta_row.value}};
    }
    json[table_name(table)] = std::move(facts);
  }
  Json holds = Json::array();
  for (const auto& [name, hold] : snapshot.meta().holds()) {
    holds.push_back({{"name", name}, {"reason", hold.reason}, {"since", format_rfc3339(hold.since)}});
  }
  json["holds"] = std::move(holds);
  const std::optional<snapshot::ClockStep>& step = snapshot.meta().clock_step();
  json["clock_stepped"] = step ? Json{{"at", format_rfc3339(step->at)}, {"step_us", step->step_us}} : Json();
  return json;
}

// What operators accepted, as the log says it: none on most logs.
Json rollbacks(const snapshot::Snapshot& snapshot) {
  Json list = Json::array();
  for (const snapshot::RollbackFacts& rollback : snapshot.meta().rollbacks()) {
    list.push_back({{"time", format_rfc3339(rollback.at)},
                    {"lost_commit", rollback.lost_commit.value},
                    {"reason", rollback.reason},
                    {"by", rollback.by}});
  }
  return list;
}

// Whom new data keys are sealed to, by the statements: to be held against fingerprints that were kept elsewhere.
Result<Json> recipients(const snapshot::Snapshot& snapshot) {
  protect::KeyLog log;
  for (const codec::StatementRecord& statement : snapshot.meta().statements()) KHIPU_TRY(log.apply(statement.body));
  Json list = Json::array();
  for (const auto& [name, key] : log.recipients()) list.push_back(name + "=" + protect::recipient_fingerprint(key));
  return list;
}

class StatusCommand final : public Command {
 public:
  std::string name() const override { return "status"; }
  std::string summary() const override { return "Show what a log holds and who writes it"; }
  std::string details() const override {
    return "Reads the newest committed state without any lock; asks a running writer for its figures.\n"
           "Bytes are file lengths; times are UTC.\n\n"
           "Example:\n  khipu status /srv/audit --json\n\n"
           "Exit codes: 0 read, 1 the newest state is damaged or uncommitted (see `khipu verify`), 3 no log there.";
  }
  void declare(Arguments& arguments) override { arguments.required("ROOT", root_, "the log's directory"); }

  Result<Exit> run(Output& output) override {
    KHIPU_TRY_ASSIGN(std::unique_ptr<os::Directory> directory, os::open_directory(root_));
    KHIPU_TRY_ASSIGN(const os::LockHolder holder, os::lock_holder(*directory));
    KHIPU_TRY_ASSIGN(const std::unique_ptr<snapshot::Store> store, snapshot::Store::open(std::move(directory)));
    const Result<std::shared_ptr<const snapshot::Snapshot>> opened = store->snapshot();
    if (!opened.ok()) {
      if (opened.error().code != Code::kCorrupt) return opened.error();
      output.note("khipu status: " + printable(opened.error().message));
      return Exit::kFinding;
    }
    const snapshot::Snapshot& snapshot = **opened;
    KHIPU_TRY_ASSIGN(const Times times, event_times(snapshot));
    Json json = {{"schema", "khipu.status/v1"},
                 {"root", root_},
                 {"origin", snapshot.genesis().origin},
                 {"root_id", hex(snapshot.genesis().root_id)},
                 {"verifier_key", hex(snapshot.genesis().verifier)},
                 {"commit", snapshot.commit().number.value},
                 {"commit_time", format_rfc3339(snapshot.commit().time)},
                 {"retained_from", times.oldest ? Json(format_rfc3339(*times.oldest)) : Json()},
                 {"oldest", times.oldest ? Json(format_rfc3339(*times.oldest)) : Json()},
                 {"newest", times.newest ? Json(format_rfc3339(*times.newest)) : Json()}};
    for (const TableId table : kTables) {
      uint64_t sealed = 0;
      for (const snapshot::SegmentInfo& segment : snapshot.segments(table)) sealed += segment.sealed ? 1 : 0;
      const FolderFacts facts = folder_facts(std::filesystem::path(root_) / table_name(table));
      json["tables"][table_name(table)] = {{"rows", snapshot.size(table)},
                                           {"root", base64(snapshot.root(table))},
                                           {"segments", snapshot.segments(table).size()},
                                           {"sealed", sealed},
                                           {"bytes", facts.bytes}};
    }
    json["retention"] = retention_json(snapshot);
    for (const char* folder : {"quarantine", "dlq"}) {
      const FolderFacts facts = folder_facts(std::filesystem::path(root_) / folder);
      json[folder] = {{"files", facts.files}, {"bytes", facts.bytes}};
    }
    json["rollbacks"] = rollbacks(snapshot);
    KHIPU_TRY_ASSIGN(json["recipients"], recipients(snapshot));
    json["disk_bytes"] = folder_facts(root_).bytes;
    json["writer"] = {{"holds_lock", holder.held}, {"lock", holder.diagnostics}, {"live", Json()}};
    if (holder.held) {
      const Result<RunningWriter> running = running_writer(root_);
      if (running.ok()) {
        Json live = Json::parse(running->status, nullptr, false);
        if (live.is_object()) json["writer"]["live"] = std::move(live);
      }
    }
    if (output.json()) {
      output.document(json);
    } else {
      print(json, output);
    }
    return Exit::kOk;
  }

 private:
  static void print(const Json& json, Output& output) {
    const auto text = [](const Json& value) { return value.is_null() ? "none" : printable(value.get<std::string>()); };
    output.line(text(json["origin"]) + "  root id " + text(json["root_id"]));
    output.line("commit " + json["commit"].dump() + " of " + text(json["commit_time"]));
    output.line("events from " + text(json["oldest"]) + " to " + text(json["newest"]));
    for (const auto& [name, table] : json["tables"].items()) {
      output.line("  " + name + ": " + table["rows"].dump() + " rows, " + table["segments"].dump() + " segments (" +
                  table["sealed"].dump() + " sealed), " + human_size(table["bytes"].get<uint64_t>()));
    }
    output.line("on disk " + human_size(json["disk_bytes"].get<uint64_t>()) + "; quarantine " +
                json["quarantine"]["files"].dump() + " files; dlq " + json["dlq"]["files"].dump() + " files");
    for (const Json& rollback : json["rollbacks"]) {
      output.line("ROLLED BACK at " + text(rollback["time"]) + " by " + text(rollback["by"]) + ", commit " +
                  rollback["lost_commit"].dump() + " was lost: " + text(rollback["reason"]));
    }
    for (const Json& recipient : json["recipients"]) {
      output.line("what is sealed from now on is read by " + text(recipient));
    }
    const Json& retention = json["retention"];
    for (const char* table : {"logs", "access"}) {
      const Json& newest = retention[table]["newest"];
      if (newest.is_null()) continue;
      output.line(std::string(table) + ": rows below " + retention[table]["first_row"].dump() + " not retained since " +
                  text(newest["at"]) + " (" + text(newest["policy"]) + "; RETENTION, meta row " +
                  newest["meta_row"].dump() + ")");
    }
    for (const Json& hold : retention["holds"]) {
      output.line("hold " + text(hold["name"]) + " since " + text(hold["since"]) + ": " + text(hold["reason"]));
    }
    if (!retention["clock_stepped"].is_null()) {
      output.line("the wall clock was stepped at " + text(retention["clock_stepped"]["at"]) +
                  ": retention by age is suspended until `khipu retention ROOT --clear-clock`");
    }
    const Json& writer = json["writer"];
    if (!writer["holds_lock"].get<bool>()) {
      output.line("no writer");
    } else if (writer["live"].is_null()) {
      output.line("written by " + text(writer["lock"]));
    } else {
      const Json& live = writer["live"];
      output.line("written by " + text(writer["lock"]) + ": since start " + live["since_start"]["events"].dump() +
                  " events in " + live["since_start"]["commits"].dump() + " commits, " + live["queued_events"].dump() +
                  " waiting, sync " + text(live["sync"]) +
                  (live["retention"].is_object() ? ", retention of logs: " + text(live["retention"]["logs"]) : "") +
                  (live["poisoned"].is_null() ? "" : ", POISONED: " + text(live["poisoned"])));
    }
  }

  std::string root_;
};

}  // namespace

std::unique_ptr<Command> make_status_command() { return std::make_unique<StatusCommand>(); }

}  // namespace khipu::cli
