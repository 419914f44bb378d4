// An importer with nothing real around it: the input and the root on a fake disk, a sink that keeps what it gets.
#pragma once

#include <zlib.h>

#include <map>

#include "engine/crypto/hash.h"
#include "engine/import/runner.h"
#include "engine/ingest/validate.h"
#include "engine/ingest/wire.h"
#include "engine/registry/guard.h"
#include "tests/support/catch.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_disk.h"

namespace khipu::import {

// Keeps batches, applies definitions, and refuses what a writer would refuse.
class KeepingSink : public Sink {
 public:
  explicit KeepingSink(const os::Clock& clock) : clock_(clock) {}
  Result<Row> submit(ingest::Batch batch) override {
    if (fail_after == 0) return Error{Code::kIo, "the sink is gone"};
    --fail_after;
    if (asked++ == refuse_after) return Error{Code::kLimit, "this batch is refused, others would not be"};
    KHIPU_TRY(ingest::validate(batch, schema, {}, clock_.now()));
    for (const codec::Statement& statement : batch.statements) {
      if (const auto* type = std::get_if<codec::TypeStatement>(&statement)) {
        const codec::TypeSchema whole = batch.adds_fields ? registry::with_others_kept(schema, type->type) : type->type;
        KHIPU_TRY(registry::check_type(schema, whole));
        schema.apply(whole);
      } else if (const auto* column = std::get_if<codec::ColumnStatement>(&statement)) {
        KHIPU_TRY(registry::check_column(schema, column->column));
        schema.apply(column->column);
      } else {
        codec::Import& receipt = receipts.emplace_back(std::get<codec::Import>(statement));
        if (receipt.keyed) receipt.prefix_sha256 = crypto::keyed_input_hash(key, receipt.prefix_sha256);
      }
    }
    const Row first{events.size()};
    for (const ingest::Event& event : batch.events) events.push_back(event);
    batches.push_back(std::move(batch));
    return first;
  }

  Result<Stored> store(ingest::Batch batch) override {
    const std::optional<ingest::IdempotencyKey> once = batch.key;
    if (once) {
      const auto known = keys.find(once->key);
      if (known != keys.end() && known->second != once->body) return Error{Code::kConflict, "used before"};
      if (known != keys.end()) return Stored{Row{}, true};
    }
    KHIPU_TRY_ASSIGN(const Row first, submit(std::move(batch)));
    if (once) keys.emplace(once->key, once->body);
    return Stored{first};
  }

  std::optional<std::string> too_large(const ingest::Batch& batch) const override {
    if (ingest::encode_batch(batch).size() <= size_max) return std::nullopt;
    return "it is too large for this sink";
  }

  std::map<std::string, Hash> keys;
  size_t size_max = SIZE_MAX;
  registry::Schema schema;
  std::vector<ingest::Event> events;  // view into the batches
  std::vector<ingest::Batch> batches;
  std::vector<codec::Import> receipts;
  uint64_t fail_after = UINT64_MAX;    // from then on
  uint64_t refuse_after = UINT64_MAX;  // one batch
  uint64_t asked = 0;
  Hash key{7};  // the writer's index.key

 private:
  const os::Clock& clock_;
};

struct ImportFixture {
  explicit ImportFixture(std::unique_ptr<Mapper> made) : mapper(std::move(made)) {}
  ImportFixture(std::string_view format, std::string_view mapping)
      : mapper([&] {
          auto made = make_mapper(format, mapping);
          INFO((made.ok() ? "" : made.error().message));
          REQUIRE(made.ok());
          return std::move(made).value();
        }()) {}

  Result<Report> try_run(std::string_view input, RunOptions options = {}) {
    const auto folder = disk.directory("in");
    disk.put("in/input", as_bytes(input));
    auto file = folder->open_file("input", os::Mode::kRead);
    REQUIRE(file.ok());
    if (options.source.empty()) options.source = "input";
    DlqFile parking(*root, sealer);
    const std::vector<codec::Import> earlier(sink.receipts.begin(),
                                             sink.receipts.end() - static_cast<ptrdiff_t>(not_seen));
    const registry::Schema schema = sink.schema;
    return Importer{*mapper,
                    sink,
                    parking,
                    schema,
                    earlier,
                    clock,
                    held,
                    [&]() -> Result<std::vector<codec::Import>> {
                      ++asked_again;
                      return sink.receipts;
                    }}
        .run(**file, options);
  }
  Report run(std::string_view input, RunOptions options = {}) {
    auto report = try_run(input, std::move(options));
    INFO((report.ok() ? "" : report.error().message));
    REQUIRE(report.ok());
    CHECK(report->read == report->stored + report->parked);
    return std::move(report).value();
  }
  // The one event this record becomes.
  const ingest::Event& only(std::string_view input) {
    const Report report = run(input);
    for (const Reject& reject : report.rejects) UNSCOPED_INFO(reject.reason);
    REQUIRE(report.stored == 1);
    return sink.events.back();
  }
  std::string rejected(std::string_view input) {
    const Report report = run(input);
    REQUIRE(report.stored == 0);
    REQUIRE(report.rejects.size() == 1);
    return report.rejects[0].reason;
  }

  EntrySealer* sealer = nullptr;  // borrowed
  size_t not_seen = 0;            // of the receipts, the last ones, when a run begins
  int asked_again = 0;            // for the receipts
  Bytes held;                     // the key that the importer holds
  tests::FakeDisk disk;
  tests::FakeClock clock;
  std::unique_ptr<os::Directory> root = disk.directory("root");
  std::unique_ptr<Mapper> mapper;
  KeepingSink sink{clock};
};

inline std::string gzip(std::string_view text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

inline std::string column(const ingest::Event& event, std::string_view name) {
  for (const ingest::ColumnInput& column : event.custom) {
    if (column.name == name) return std::string(column.value.text);
  }
  return {};
}
inline std::string field(const ingest::EntityInput& entity, std::string_view name) {
  for (const ingest::FieldInput& field : entity.fields) {
    if (field.name == name) return std::string(field.value.text);
  }
  return {};
}

// What the sink holds is each of the records `i0` to `i(count - 1)` once, in order.
inline void check_ids(const ImportFixture& import, int count) {
  REQUIRE(import.sink.events.size() == static_cast<size_t>(count));
  for (int n = 0; n < count; ++n) CHECK(import.sink.events[static_cast<size_t>(n)].event_id == "i" + std::to_string(n));
}

}  // namespace khipu::import
