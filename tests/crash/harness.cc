#include "tests/crash/harness.h"

#include <fmt/format.h>

#include <condition_variable>
#include <mutex>

#include "engine/codec/statement.h"
#include "engine/segment/reader.h"

namespace khipu::tests {
namespace {

constexpr size_t kTargets = 2;

struct Seen {
  std::string event_id;
  codec::Pin actor;
  std::vector<codec::Pin> targets;
};

// Where the retained rows of a table begin.
struct Retained {
  uint64_t segment = 0, row = 0;
};

// The committed rows of a table that are retained, as the newest HEAD bounds them. A missing segment that no RETENTION
// covers is an error here.
template <typename Visit>
std::string each_row(os::Directory& root, TableId id, const segment::Head& head, Visit visit, Retained from = {}) {
  const segment::HeadTable& table = head.tables[index_of(id)];
  auto directory = root.open_directory(table_name(id));
  if (!directory.ok()) return directory.error().message;
  uint64_t row = from.row;
  for (uint64_t number = from.segment; number <= table.segment.value; ++number) {
    auto file = directory.value()->open_file(segment::segment_name({number}), os::Mode::kRead);
    if (!file.ok()) {
      if (number == table.segment.value && table.end_offset == segment::kHeaderSize) break;
      return file.error().message;
    }
    const uint64_t end = number == table.segment.value ? table.end_offset : file.value()->size().value();
    segment::Reader reader(**file, segment::kHeaderSize, end);
    for (;;) {
      const Result<segment::Step> step = reader.next();
      if (!step.ok()) return step.error().message;
      if (step->kind == segment::Step::Kind::kEnd) break;
      if (step->kind == segment::Step::Kind::kFault)
        return fmt::format("{} damaged at {}", table_name(id), step->offset);
      if (codec::is_row(step->frame.kind)) visit(row++, step->frame.payload);
    }
  }
  return row == table.size ? "" : fmt::format("{} has {} rows, HEAD says {}", table_name(id), row, table.size);
}

}  // namespace

std::string describe(const verify::Report& report) { return verify::to_page(report); }

CrashRig::CrashRig() : disk_(std::make_unique<FakeDisk>()) {
  root_ = disk_->directory("root");
  keys_ = disk_->directory("root.keys");
  const Result<void> made = writer::initialize({*root_, *keys_, clock_, random_}, {"example.org/crash"});
  KHIPU_ASSERT(made.ok());
}

CrashRig::CrashRig(std::unique_ptr<FakeDisk> disk, uint64_t seed) : disk_(std::move(disk)), random_(seed) {
  root_ = disk_->directory("root");
  keys_ = disk_->directory("root.keys");
}

Result<std::unique_ptr<writer::Writer>> CrashRig::open(uint64_t segment_size_bytes) {
  root_ = disk_->directory("root");  // handles die with each crash
  keys_ = disk_->directory("root.keys");
  writer::Options options;
  options.sync = policy_;
  options.group_events = 1;
  options.segment_size_bytes = segment_size_bytes;
  options.index_segments = index_segments_;
  options.index_run_rows = run_rows_;
  options.index_run_age_us = 0;
  return writer::Writer::open({*root_, *keys_, clock_, random_}, options);
}

ingest::Batch CrashRig::batch(const std::string& event_id, const std::string& padding) {
  ingest::Batch batch;
  const uint64_t n = submitted_.size();
  const auto entity = [&](std::string_view type, std::string id, std::string name) {
    ingest::EntityInput input;
    input.type = type;
    input.id = batch.keep(std::string_view(id));
    if (!name.empty()) {
      const ingest::FieldInput field{"name", false, codec::Value::of_text(batch.keep(std::string_view(name)))};
      input.fields = batch.keep(std::span<const ingest::FieldInput>(&field, 1));
    }
    return input;
  };
  ingest::Event event;
  event.actor = entity("user", fmt::format("u-{}", n % 5), fmt::format("name {}{}", n / 3, padding));
  const std::array<ingest::EntityInput, kTargets> targets = {entity("resource", fmt::format("r-{}", n % 11), {}),
                                                             entity("service", fmt::format("s-{}", n % 3), {})};
  event.targets = batch.keep(std::span<const ingest::EntityInput>(targets));
  event.action = "PUT";
  event.event_id = batch.keep(std::string_view(event_id));
  event.content_kind = codec::ContentKind::kText;
  event.content = batch.keep(as_bytes("content of " + event_id));
  batch.events.push_back(event);
  return batch;
}

Result<writer::Receipt> CrashRig::submit(writer::Writer& writer, const std::string& event_id,
                                         const std::string& padding) {
  ingest::Batch events = batch(event_id, padding);
  submitted_.insert(event_id);
  clock_.advance_us(1000);
  Result<writer::Receipt> receipt = writer.submit_and_wait(std::move(events));
  if (receipt.ok() && receipt->durable) acknowledged_.seqs[event_id] = receipt->first_seq.value;
  return receipt;
}

void CrashRig::line_up() {
  lined_up_ = true;
  policy_ = writer::SyncPolicy::kAlways;
  disk_->slow_syncs(std::chrono::microseconds(300));
}

Result<void> CrashRig::submit_at_once(writer::Writer& writer, size_t events) {
  std::mutex mutex;
  std::condition_variable answered;
  size_t left = events;
  Result<void> all;
  for (size_t i = 0; i < events; ++i) {
    const std::string event_id = fmt::format("e-{}", next_++);
    ingest::Batch one = batch(event_id);
    submitted_.insert(event_id);
    clock_.advance_us(1000);
    writer.submit(std::move(one), [&, event_id](const Result<writer::Receipt>& receipt) {
      const std::lock_guard hold(mutex);
      if (!receipt.ok() && all.ok()) all = receipt.error();
      if (receipt.ok() && receipt->durable) acknowledged_.seqs[event_id] = receipt->first_seq.value;
      --left;
      answered.notify_all();
    });
  }
  std::unique_lock hold(mutex);
  answered.wait(hold, [&] { return left == 0; });
  return all;
}

Result<void> CrashRig::life(size_t events, uint64_t segment_size_bytes) {
  KHIPU_TRY_ASSIGN(const std::unique_ptr<writer::Writer> writer, open(segment_size_bytes));
  if (lined_up_) KHIPU_TRY(submit_at_once(*writer, events));
  for (size_t i = 0; i < events && !lined_up_; ++i) KHIPU_TRY(submit(*writer, fmt::format("e-{}", next_++)));
  writer->wait_until_indexed();
  return writer->close();
}

verify::Report CrashRig::verify(verify::Options options) {
  const auto root = disk_->directory("root");
  if (options.threads == 0) options.threads = 1;
  Result<verify::Report> report = verify::run(*root, options);
  KHIPU_ASSERT(report.ok());
  return std::move(report).value();
}

std::string judge_events(os::Directory& root, const Acknowledged& acknowledged,
                         const std::function<bool(const std::string&)>& submitted) {
  const auto slots = segment::read_head(root);
  if (!slots.ok()) return slots.error().message;
  const std::optional<segment::Head> head = segment::newest(*slots);
  if (!head) return "no HEAD";
  std::vector<Row> entity_of;
  std::string wrong = each_row(root, TableId::kRegistry, *head, [&](uint64_t row, Bytes payload) {
    codec::VersionRecord version;
    if (!codec::decode_version(payload, version).ok()) return;
    entity_of.push_back(version.entity.value_or(Row{row}));
  });
  if (!wrong.empty()) return wrong;
  Retained retained;
  wrong = each_row(root, TableId::kMeta, *head, [&](uint64_t, Bytes payload) {
    const auto statement = codec::decode_statement(payload);
    const auto* retention = statement.ok() ? std::get_if<codec::Retention>(&statement->body) : nullptr;
    if (retention == nullptr || retention->table != TableId::kLogs) return;
    retained = {retention->last_segment.value + 1, retention->to.value};
  });
  if (!wrong.empty()) return wrong;
  std::multimap<std::string, std::pair<uint64_t, Seen>> seen;
  wrong = each_row(
      root, TableId::kLogs, *head,
      [&](uint64_t row, Bytes payload) {
        codec::EventRecord event;
        if (!codec::decode_event(payload, event).ok()) return;
        seen.emplace(std::string(event.event_id),
                     std::pair(row, Seen{std::string(event.event_id), event.actor, event.targets}));
      },
      retained);
  if (!wrong.empty()) return wrong;
  const auto whole = [&](const codec::Pin& pin) {
    return pin.version.value < entity_of.size() && entity_of[pin.version.value] == pin.entity;
  };
  for (const auto& [id, entry] : seen) {
    const auto& [row, event] = entry;
    if (!submitted(id)) return "an event nobody sent: " + id;
    if (seen.count(id) != 1) return "twice in the log: " + id;
    if (event.targets.size() != kTargets || !whole(event.actor)) return "without its actor or targets: " + id;
    for (const codec::Pin& target : event.targets) {
      if (!whole(target)) return "pins a target that is not there: " + id;
    }
  }
  for (const auto& [id, seq] : acknowledged.seqs) {
    if (seq < retained.row) continue;
    const auto found = seen.find(id);
    if (found == seen.end()) return "acknowledged and lost: " + id;
    if (found->second.first != seq)
      return fmt::format("{} was acknowledged as {} and is {}", id, seq, found->second.first);
  }
  return "";
}

std::string CrashRig::judge() {
  const verify::Report report = verify();
  if (report.verdict != verify::Verdict::kPass) return describe(report);
  const auto root = disk_->directory("root");
  return judge_events(*root, acknowledged_, [&](const std::string& id) { return submitted_.contains(id); });
}

}  // namespace khipu::tests
