#include "tests/engine/query/test_log.h"

namespace khipu::query::tests {
namespace {

ingest::EntityInput entity(ingest::Batch& batch, const Thing& thing) {
  ingest::EntityInput input;
  input.type = batch.keep(std::string_view(thing.type));
  input.id = batch.keep(std::string_view(thing.id));
  input.deleted = thing.deleted;
  std::vector<ingest::FieldInput> fields;
  for (const auto& [name, value] : thing.fields) {
    fields.push_back(
        {batch.keep(std::string_view(name)), false, codec::Value::of_text(batch.keep(std::string_view(value)))});
  }
  input.fields = batch.keep(std::span<const ingest::FieldInput>(fields));
  return input;
}

ingest::Event event(ingest::Batch& batch, const Spec& spec) {
  ingest::Event event;
  event.occurred_at = spec.time;
  event.actor = entity(batch, spec.actor);
  event.action = batch.keep(std::string_view(spec.action));
  event.action_class = spec.action_class;
  event.outcome = spec.outcome;
  std::vector<ingest::EntityInput> targets;
  for (const Thing& target : spec.targets) targets.push_back(entity(batch, target));
  event.targets = batch.keep(std::span<const ingest::EntityInput>(targets));
  event.url = batch.keep(std::string_view(spec.url));
  event.source = batch.keep(std::string_view(spec.source));
  event.session = batch.keep(std::string_view(spec.session));
  const std::string& content = spec.text.empty() ? spec.json : spec.text;
  event.content = as_bytes(batch.keep(std::string_view(content)));
  if (!content.empty()) event.content_kind = spec.text.empty() ? codec::ContentKind::kJson : codec::ContentKind::kText;
  std::vector<ingest::ColumnInput> columns;
  for (const auto& [name, value] : spec.custom) {
    codec::Value view = value.view();
    view.text = batch.keep(view.text);
    columns.push_back({batch.keep(std::string_view(name)), view});
  }
  event.custom = batch.keep(std::span<const ingest::ColumnInput>(columns));
  return event;
}

std::array<uint8_t, 32> cursor_key(uint8_t byte) {
  std::array<uint8_t, 32> key{};
  key.fill(byte);
  return key;
}

}  // namespace

TestLog::TestLog(uint64_t segment_size_bytes) : root_(disk_.directory("root")), keys_(disk_.directory("keys")) {
  options_.segment_size_bytes = segment_size_bytes;
  options_.sync = writer::SyncPolicy::kAlways;
  options_.index_run_rows = 16;
  options_.index_run_age_us = 3600LL * 1000000;  // when they are waited for
  const Result<void> made = writer::initialize({*root_, *keys_, clock_, random_}, {"example.org/audit"});
  INFO((made.ok() ? "" : made.error().message));
  REQUIRE(made.ok());
  open();
  ingest::Batch batch;
  codec::TypeSchema type;
  type.name = "doc";
  for (const auto& [name, kind] : {std::pair{"name", codec::ValueKind::kText},
                                   {"mail", codec::ValueKind::kText},
                                   {"pages", codec::ValueKind::kNumber}}) {
    codec::FieldSchema field;
    field.name = name;
    field.kind = kind;
    type.fields.push_back(field);
  }
  codec::ColumnSchema tenant, cost;
  tenant.name = "tenant";
  cost.name = "cost";
  cost.indexed = true;
  cost.kind = codec::ValueKind::kNumber;
  batch.statements = {codec::TypeStatement{type}, codec::ColumnStatement{tenant}, codec::ColumnStatement{cost}};
  const auto defined = writer_->submit_and_wait(std::move(batch));
  INFO((defined.ok() ? "" : defined.error().message));
  REQUIRE(defined.ok());
}

TestLog::~TestLog() = default;

void TestLog::open() {
  auto writer = writer::Writer::open({*root_, *keys_, clock_, random_}, options_);
  INFO((writer.ok() ? "" : writer.error().message));
  REQUIRE(writer.ok());
  writer_ = std::move(writer).value();
  open_readers();
}

// Indexes in memory begin with as few rows as these logs have.
void TestLog::open_readers() {
  engine_.reset();
  snapshot::StoreOptions options;
  options.tail_piece_rows = 4;
  options.tail_run_rows = 16;
  store_ = snapshot::Store::open(disk_.directory("root"), options).value();
  engine_ = other_engine(7);
}

std::unique_ptr<Engine> TestLog::other_engine(uint8_t key_byte) {
  return std::make_unique<Engine>(
      *store_, [this] { return clock_.now(); }, cursor_key(key_byte));
}

void TestLog::restart() {
  REQUIRE(writer_->close().ok());
  engine_.reset();
  store_.reset();
  writer_.reset();
  open();
}

uint64_t TestLog::spoil_indexes(bool damage) {
  uint64_t spoiled = 0;
  for (const char* const table : {"logs", "registry"}) {
    const auto folder = root_->open_directory(table).value();
    const std::vector<os::Entry> entries = folder->list().value();
    for (const os::Entry& entry : entries) {
      const bool index = entry.name.ends_with(".idx"), sealed = index && entry.name.starts_with("seg-");
      if (!index && entry.name.find(".run-") == std::string::npos) continue;
      if (sealed && table == std::string_view("logs")) ++spoiled;
      if (!damage) {
        REQUIRE(folder->unlink(entry.name).ok());
        continue;
      }
      const auto file = folder->open_file(entry.name, os::Mode::kReadWrite).value();
      Buffer bytes = file->read_all(1 << 24).value();
      bytes[bytes.size() / 2] ^= 4;
      REQUIRE(file->write_at(0, bytes).ok());
    }
  }
  open_readers();  // nothing remembered
  return spoiled;
}

Result<writer::Receipt> TestLog::submit(const std::vector<Spec>& specs) {
  ingest::Batch batch;
  for (const Spec& spec : specs) batch.events.push_back(event(batch, spec));
  return writer_->submit_and_wait(std::move(batch));
}

Row TestLog::add(const std::vector<Spec>& specs) {
  const auto receipt = submit(specs);
  INFO((receipt.ok() ? "" : receipt.error().message));
  REQUIRE(receipt.ok());
  return receipt->first_seq;
}

writer::Retainer::Swept TestLog::purge(uint64_t max_bytes) {
  writer::RetainerOptions options;
  options.pause = [this](int64_t us) {
    clock_.advance_us(us);
    return true;
  };
  auto retainer = writer::Retainer::open(disk_.directory("root"), *writer_, clock_, options).value();
  const auto decided = retainer->decide(TableId::kLogs, {std::nullopt, max_bytes}, "test");
  INFO((decided.ok() ? "" : decided.error().message));
  REQUIRE(decided.ok());
  REQUIRE(decided->commit);
  const auto swept = retainer->sweep();
  INFO((swept.ok() ? "" : swept.error().message));
  REQUIRE(swept.ok());
  return *swept;
}

Error TestLog::refused(const Spec& spec) {
  const auto receipt = submit({spec});
  REQUIRE(!receipt.ok());
  return receipt.error();
}

}  // namespace khipu::query::tests
