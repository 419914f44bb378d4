// NDJSON from a producer: what parses has valid content, and comes through the wire form unchanged.
#include "engine/import/canonical_json.h"
#include "engine/ingest/json_scan.h"
#include "engine/ingest/wire.h"
#include "tests/fuzz/fuzz.h"

KHIPU_FUZZ(input) {
  const auto parsed = khipu::import::parse_events(std::string(khipu::as_text(input)), {});
  if (!parsed.ok()) return;
  for (const auto& event : parsed->batch.events) {
    if (event.content_kind != khipu::codec::ContentKind::kJson) continue;
    KHIPU_ASSERT(khipu::ingest::check_json(khipu::as_text(event.content)).ok());
  }
  khipu::ingest::Limits limits;
  limits.targets_max = limits.fields_max = UINT32_MAX;
  const khipu::Buffer bytes = khipu::ingest::encode_batch(parsed->batch);
  const auto again = khipu::ingest::decode_batch(bytes, limits);
  KHIPU_ASSERT(again.ok() && khipu::ingest::encode_batch(*again) == bytes);
}
