// The systemd journal: `journalctl -o json` (all values strings, bytes as arrays of numbers, null where too long) and
// the export format. Fields with a leading underscore were set by journald and are trusted; the others by the client,
// so of them only what names the entry (MESSAGE_ID, SYSLOG_IDENTIFIER, UNIT) is used, and never to decide who acted.
#include <array>

#include "engine/base/time.h"
#include "engine/codec/cbor.h"
#include "engine/import/record_json.h"

namespace khipu::import {
namespace {

using codec::ActionClass;
using codec::Outcome;

constexpr std::string_view kUnset = "4294967295";  // (uid_t)-1: no login uid, no session

// What systemd's own message ids say (systemd-analyze and sd-messages.h list them).
struct MessageRule {
  std::string_view id;
  std::string_view action;
  ActionClass action_class;
  Outcome outcome;
};
constexpr std::array<MessageRule, 11> kRules = {{
    {"7d4958e842da4a758f6c1cdc7b36dcc5", "unit.starting", ActionClass::kOther, Outcome::kUnknown},
    {"39f53479d3a045ac8e11786248231fbf", "unit.started", ActionClass::kOther, Outcome::kSuccess},
    {"de5b426a63be47a7b6ac3eaac82e2f6f", "unit.stopping", ActionClass::kOther, Outcome::kUnknown},
    {"9d1aaa27d60140bd96365438aad20286", "unit.stopped", ActionClass::kOther, Outcome::kSuccess},
    {"be02cf6855d2428ba40df7e9d022f03d", "unit.failed", ActionClass::kOther, Outcome::kFailure},
    {"d9b373ed55a64feb8242e02dbe79a49c", "unit.result_failed", ActionClass::kOther, Outcome::kFailure},
    {"d34d037fff1847e6ae669a370e694725", "unit.reloading", ActionClass::kConfig, Outcome::kUnknown},
    {"7b05ebc668384222baa8881179cfda54", "unit.reloaded", ActionClass::kConfig, Outcome::kSuccess},
    {"8d45620c1a4348dbb17410da57c60c66", "session.opened", ActionClass::kAuth, Outcome::kSuccess},
    {"3354939424b4456d9802ca8333ed424a", "session.closed", ActionClass::kAuth, Outcome::kUnknown},
    {"fc2e22bc6ee647b6b90729ab34a250b1", "coredump", ActionClass::kOther, Outcome::kFailure},
}};

// The fields that are looked at; the rest stays in `content`.
constexpr std::array<std::string_view, 19> kFields = {"__REALTIME_TIMESTAMP",
                                                      "_SOURCE_REALTIME_TIMESTAMP",
                                                      "__CURSOR",
                                                      "_AUDIT_LOGINUID",
                                                      "_AUDIT_SESSION",
                                                      "_UID",
                                                      "_HOSTNAME",
                                                      "_SYSTEMD_UNIT",
                                                      "_SYSTEMD_SESSION",
                                                      "_EXE",
                                                      "_COMM",
                                                      "_TRANSPORT",
                                                      "_BOOT_ID",
                                                      "MESSAGE_ID",
                                                      "SYSLOG_IDENTIFIER",
                                                      "UNIT",
                                                      "PRIORITY",
                                                      "__SEQNUM",
                                                      "_PID"};

class Entry {
 public:
  std::string_view operator[](std::string_view name) const {
    for (size_t i = 0; i < kFields.size(); ++i) {
      if (kFields[i] == name) return values_[i];
    }
    return {};
  }
  // Bytes that are not UTF-8 cannot be an id or a name: they stay in the content only. A repeated field counts once,
  // as it came first.
  void set(std::string_view name, std::string_view value) {
    for (size_t i = 0; i < kFields.size(); ++i) {
      if (kFields[i] == name && values_[i].empty() && codec::valid_utf8(as_bytes(value))) values_[i] = value;
    }
  }

 private:
  std::array<std::string, kFields.size()> values_;
};

void read_member(Entry& entry, std::string_view name, Json value) {
  std::string_view string;
  simdjson::dom::array list;
  if (value.get(string) == simdjson::SUCCESS) return entry.set(name, string);
  if (value.get(list) != simdjson::SUCCESS) return;  // null: longer than journalctl prints without --all
  std::string bytes;
  for (const Json item : list) {
    uint64_t byte = 0;
    if (item.get(string) == simdjson::SUCCESS) return entry.set(name, string);  // a repeated field
    if (item.get(byte) != simdjson::SUCCESS || byte > 255) return;
    bytes += static_cast<char>(byte);
  }
  entry.set(name, bytes);
}

Result<void> read_export(Entry& entry, std::string_view raw) {
  while (!raw.empty()) {
    const size_t size = std::min(raw.find('\n'), raw.size());
    const std::string_view line = raw.substr(0, size);
    raw.remove_prefix(std::min(size + 1, raw.size()));
    if (const size_t equals = line.find('='); equals != std::string_view::npos) {
      entry.set(line.substr(0, equals), line.substr(equals + 1));
      continue;
    }
    if (raw.size() < 8) return Error{Code::kInvalid, "the entry ends inside a field"};
    const auto value = load_le<uint64_t>(reinterpret_cast<const uint8_t*>(raw.data()));
    raw.remove_prefix(8);
    if (value > raw.size()) return Error{Code::kInvalid, "a field's size does not fit its bytes"};
    entry.set(line, raw.substr(0, value));
    raw.remove_prefix(std::min<size_t>(value + 1, raw.size()));
  }
  return {};
}

Result<TimeUs> micros(std::string_view digits) {
  uint64_t value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9' || value > static_cast<uint64_t>(kTimeMax) / 10) {
      return Error{Code::kInvalid, "the timestamp is not a number of microseconds"};
    }
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  return static_cast<TimeUs>(value);
}

class JournaldMapper : public Mapper {
 public:
  std::string_view format() const override { return "journald"; }
  SourceOptions source() const override {
    SourceOptions options;
    options.container = Container::kJsonOrExport;
    return options;
  }
  std::vector<codec::TypeSchema> types() const override {
    return {text_type("linux_user", {}), text_type("linux_service", {}), text_type("systemd_unit", {})};
  }
  std::vector<codec::ColumnSchema> columns() const override {
    return {text_column("priority", true),
            text_column("identifier", true),
            text_column("systemd_unit", true),
            text_column("boot_id"),
            text_column("pid"),
            text_column("journal_seqnum")};
  }

  Result<void> map(const Record& record, ingest::Batch& batch) override {
    Entry entry;
    const bool json = !record.raw.empty() && record.raw.front() == '{';
    if (json) {
      KHIPU_TRY_ASSIGN(const Json root, parser_.parse(as_text(record.raw)));
      simdjson::dom::object members;
      if (root.get(members) != simdjson::SUCCESS) return Error{Code::kInvalid, "expected an object"};
      for (const auto member : members) read_member(entry, member.key, member.value);
    } else {
      KHIPU_TRY(read_export(entry, as_text(record.raw)));
    }
    const std::string_view source_time = entry["_SOURCE_REALTIME_TIMESTAMP"];
    const std::string_view time = source_time.empty() ? entry["__REALTIME_TIMESTAMP"] : source_time;
    if (time.empty()) return Error{Code::kInvalid, "not a journal entry: no __REALTIME_TIMESTAMP"};
    EventBuilder builder(batch);
    KHIPU_TRY_ASSIGN(builder.event.occurred_at, micros(time));
    build(entry, builder);
    builder.finish(json ? codec::ContentKind::kJson : codec::ContentKind::kText, record);
    return {};
  }

 private:
  static std::string_view either(std::string_view first, std::string_view second) {
    return first.empty() || first == kUnset ? second : first;
  }

  static void build(const Entry& entry, EventBuilder& builder) {
    ingest::Event& event = builder.event;
    const std::string_view uid = either(entry["_AUDIT_LOGINUID"], entry["_UID"]);
    if (!uid.empty() && uid != kUnset) {
      event.actor = builder.entity("linux_user", uid);
    } else {  // the kernel and other entries without a process
      event.actor = builder.entity("linux_service", either(entry["_TRANSPORT"], "unknown"));
    }
    const MessageRule* rule = nullptr;
    for (const MessageRule& known : kRules) {
      if (known.id == entry["MESSAGE_ID"]) rule = &known;
    }
    if (rule != nullptr) {
      event.action = rule->action;
      event.action_class = rule->action_class;
      event.outcome = rule->outcome;
    } else {
      const std::string_view name = either(entry["MESSAGE_ID"], entry["SYSLOG_IDENTIFIER"]);
      event.action = builder.keep(either(either(name, entry["_COMM"]), either(entry["_TRANSPORT"], "entry")));
    }
    if (!entry["UNIT"].empty()) builder.target(builder.entity("systemd_unit", entry["UNIT"]));
    event.url = builder.keep(either(entry["_SYSTEMD_UNIT"], entry["_EXE"]));
    event.source = builder.keep(entry["_HOSTNAME"]);
    event.event_id = builder.keep(entry["__CURSOR"]);
    event.session = builder.keep(either(entry["_AUDIT_SESSION"], entry["_SYSTEMD_SESSION"]));
    builder.column("priority", entry["PRIORITY"]);
    builder.column("identifier", entry["SYSLOG_IDENTIFIER"]);
    builder.column("systemd_unit", entry["_SYSTEMD_UNIT"]);
    builder.column("boot_id", entry["_BOOT_ID"]);
    builder.column("pid", entry["_PID"]);
    builder.column("journal_seqnum", entry["__SEQNUM"]);
  }

  RecordParser parser_;
};

}  // namespace

std::unique_ptr<Mapper> make_journald_mapper() { return std::make_unique<JournaldMapper>(); }

}  // namespace khipu::import
