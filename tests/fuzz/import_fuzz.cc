// Foreign records: the first byte chooses the format, the rest is the input of a whole import without a writer.
// Whatever it holds, read = stored + parked, and what is stored passes the check on the writer's side of the socket.
#include <cstring>

#include "engine/import/runner.h"
#include "engine/ingest/wire.h"
#include "tests/fuzz/fuzz.h"

namespace khipu::import {
namespace {

class MemoryFile final : public os::File {
 public:
  explicit MemoryFile(Bytes bytes) : bytes_(bytes) {}
  Result<size_t> read_at(uint64_t offset, std::span<uint8_t> into) const override {
    if (offset >= bytes_.size()) return size_t{0};
    const size_t size = std::min<size_t>(into.size(), bytes_.size() - offset);
    std::memcpy(into.data(), bytes_.data() + offset, size);
    return size;
  }
  Result<uint64_t> size() const override { return uint64_t{bytes_.size()}; }
  Result<os::FileStatus> status() const override { return refuse(); }
  Result<void> write_at(uint64_t, Bytes) override { return refuse(); }
  Result<void> sync_data() override { return refuse(); }
  Result<void> sync() override { return refuse(); }
  Result<void> truncate(uint64_t) override { return refuse(); }
  Result<void> preallocate(uint64_t, uint64_t) override { return refuse(); }
  Result<std::unique_ptr<os::Mapping>> map(uint64_t) const override { return refuse(); }
  Result<bool> try_lock(uint64_t, uint64_t, os::LockKind) override { return refuse(); }
  Result<bool> lock_refused(uint64_t, uint64_t, os::LockKind) const override { return refuse(); }
  Result<void> unlock(uint64_t, uint64_t) override { return refuse(); }

 private:
  static Error refuse() { return {Code::kIo, "read only"}; }
  Bytes bytes_;
};

struct StillClock final : os::Clock {
  TimeUs now() const override { return 1781500027000000; }
  int64_t boot_us() const override { return 0; }
};
struct CheckingSink final : Sink {
  Result<Row> submit(ingest::Batch batch) override {
    stored += batch.events.size();
    KHIPU_ASSERT(ingest::decode_batch(ingest::encode_batch(batch), {}).ok());
    return Row{};
  }
  uint64_t stored = 0;
};
struct CountingLot final : ParkingLot {
  Result<void> park(const Parked& record) override {
    ++parked;
    KHIPU_ASSERT(!record.reason.empty() && !parked_line(record).empty());
    return {};
  }
  Result<void> sync() override { return {}; }
  uint64_t parked = 0;
};

constexpr const char* kMapping = R"j({"khipu_mapping":1,"name":"fuzz","types":{"who":{"x":"json"}},"event":{
  "occurred_at":{"pointer":"/t","formats":["rfc3339","epoch_s","%d/%b/%Y:%H:%M:%S.%f %z"]},
  "actor":{"type":"who","id":{"pointer":"/who"},"fields":{"x":{"pointer":"/x"}}},"action":{"pointer":"/do"},
  "url":{"concat":[{"pointer":"/a"},{"pointer":"/b","regex":"(?P<g>[0-9]+)"}]},
  "targets":[{"each":"/list","type":"who","id":{"pointer":"/id"}}]}})j";

void run(Bytes input) {
  if (input.empty()) return;
  constexpr std::string_view kFormats[] = {"cloudtrail", "kubernetes", "journald", "jsonl"};
  const std::string_view format = kFormats[input[0] % 4];
  auto mapper = make_mapper(format, format == "jsonl" ? kMapping : "");
  KHIPU_ASSERT(mapper.ok());
  const MemoryFile file(input.subspan(1));
  CheckingSink sink;
  CountingLot lot;
  const registry::Schema schema;
  const StillClock clock;
  RunOptions options;
  options.source = "fuzz";
  const auto report = Importer{**mapper, sink, lot, schema, {}, clock}.run(file, options);
  KHIPU_ASSERT(report.ok());
  KHIPU_ASSERT(report->read == report->stored + report->parked);
  KHIPU_ASSERT(report->stored == sink.stored && report->parked == lot.parked);
}

}  // namespace
}  // namespace khipu::import

KHIPU_FUZZ(input) { khipu::import::run(input); }
