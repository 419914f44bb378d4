// What an event costs before the writer sees it, on one core: parse canonical NDJSON, validate, and the wire form.
//   ninja bench_parse && ./bench/bench_parse
#include <algorithm>
#include <cstdio>
#include <ctime>

#include "engine/import/canonical_json.h"
#include "engine/ingest/validate.h"
#include "engine/ingest/wire.h"
#include "tests/bench/figures.h"

namespace {

constexpr size_t kEvents = 10000;
constexpr int kRounds = 30;

std::string body() {
  std::string text;
  for (size_t i = 0; i < kEvents; ++i) {
    const std::string n = std::to_string(i * 7919 % 100000);
    text += R"({"occurred_at":"2026-03-01T10:20:30.)" + std::to_string(100000 + i) +
            R"(Z","actor":{"type":"user","id":"u-)";
    text += n + R"(","fields":{"name":"user number )" + n + R"("}},"action":"PUT","action_class":"update",)";
    text += R"("outcome":"success","targets":[{"type":"resource","id":"res-)" + n + R"("}],"url":"/api/resources/)" + n;
    text += R"(","source":"billing","source_ip":"198.51.100.7","event_id":"e-)" + n;
    text += R"(","content":{"before":12,"after":34,"reason":"adjusted by the monthly run"}})";
    text += '\n';
  }
  return text;
}

template <typename Work>
void measure(khipu::bench::Figures& figures, const char* what, size_t bytes, Work work) {
  double best = 1e18;
  for (int round = 0; round < kRounds; ++round) {
    const std::clock_t start = std::clock();  // processor time: other programs do not count
    work();
    const double ns = static_cast<double>(std::clock() - start) * 1e9 / CLOCKS_PER_SEC;
    best = std::min(best, ns);
  }
  figures.row(what)
      .add("cpu_ns_per_event", best / kEvents)
      .add("events_per_s", kEvents * 1e9 / best)
      .add("bytes_per_event", static_cast<double>(bytes / kEvents));
}

}  // namespace

int main(int count, char** words) {
  using namespace khipu;
  bench::Figures figures("parse", bench::take_flag(count, words, "--json"));
  const std::string text = body();
  registry::Schema schema;
  for (const auto& type : registry::default_types()) schema.apply(type);
  auto parsed = import::parse_events(text, {});
  if (!parsed.ok()) return 1;
  const TimeUs now = *parsed->batch.events.back().occurred_at;
  bool ok = true;
  measure(figures, "parse canonical NDJSON", text.size(), [&] { ok &= import::parse_events(text, {}).ok(); });
  measure(figures, "validate", text.size(), [&] { ok &= ingest::validate(parsed->batch, schema, {}, now).ok(); });
  const Buffer bytes = ingest::encode_batch(parsed->batch);
  measure(figures, "encode wire batch", bytes.size(), [&] { ok &= !ingest::encode_batch(parsed->batch).empty(); });
  measure(figures, "decode wire batch", bytes.size(), [&] { ok &= ingest::decode_batch(bytes, {}).ok(); });
  figures.print();
  return ok ? 0 : 1;
}
