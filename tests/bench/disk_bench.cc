// Bytes on disk an event, everything in it (frames, trees, indexes, registry, statements), of a closed log whose
// indexes are made: beside the same events as compact canonical JSON, one a line, and for the event of Quipu-Log's own
// bench. Usage: bench_disk [--events N] [--dir DIR] [--json]     (1000000)
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

#include "engine/writer/writer.h"
#include "tests/bench/figures.h"
#include "tests/bench/generator.h"
#include "tests/bench/must.h"

namespace {

using namespace khipu;
using bench::die;
using bench::must;
constexpr uint64_t kBatch = 1000;
constexpr double kQuipuBytes = 279;  // an event, by its own account

// Fills one batch and says how many bytes its events are as JSON lines; `done` events came before it.
using Fill = std::function<uint64_t(ingest::Batch& batch, uint64_t done)>;

uint64_t fill_from(bench::Generator& generator, ingest::Batch& batch) {
  uint64_t bytes = 0;
  for (uint64_t i = 0; i < kBatch; ++i) {
    const bench::PlainEvent event = generator.next();
    bytes += bench::compact_json(event).size();
    bench::append(batch, event);
  }
  return bytes;
}

// The event of Quipu-Log's write_path bench: two entities in one version each, 13 bytes of content.
uint64_t fill_as_quipu(ingest::Batch& batch, uint64_t done) {
  if (done == 0) {
    for (const char* name : {"default_actor", "default_target"}) {
      codec::TypeSchema type;
      type.name = name;
      type.fields.emplace_back().name = "name";
      batch.statements.emplace_back(codec::TypeStatement{std::move(type)});
    }
  }
  uint64_t bytes = 0;
  const ingest::FieldInput actor_name{"name", false, codec::Value::of_text("bench")};
  const ingest::FieldInput target_name{"name", false, codec::Value::of_text("thing")};
  const auto actor_fields = batch.keep(std::span(&actor_name, 1)),
             target_fields = batch.keep(std::span(&target_name, 1));
  const ingest::EntityInput target{"default_target", "t-1", target_fields, false};
  const auto targets = batch.keep(std::span(&target, 1));
  for (uint64_t i = 0; i < kBatch; ++i) {
    ingest::Event event;
    event.actor = {"default_actor", "svc-1", actor_fields, false};
    event.action = "POST";
    event.targets = targets;
    event.url = batch.keep(std::string_view("/api/bench/" + std::to_string(i)));
    event.content_kind = codec::ContentKind::kText;
    event.content = as_bytes("bench payload");
    event.occurred_at = os::system_clock().now();
    batch.events.push_back(event);
    bytes += std::string_view(R"({"occurred_at":"2026-06-15T05:07:07.123456Z","actor":{"type":"default_actor","id":)"
                              R"("svc-1","fields":{"name":"bench"}},"action":"POST","targets":[{"type":)"
                              R"("default_target","id":"t-1","fields":{"name":"thing"}}],"url":"","content":)"
                              R"("bench payload"})")
                 .size() +
             event.url.size() + 1;
  }
  return bytes;
}

void measure(const std::string& name, const std::string& path, uint64_t events, const Fill& fill,
             bench::Figures& figures, double& disk, double& json) {
  std::filesystem::create_directories(path);
  auto root = must(os::create_directory(path + "/log", 0750));
  auto keys = must(os::create_directory(path + "/log.keys", 0700));
  const writer::Environment environment{*root, *keys, os::system_clock(), os::system_random()};
  must(writer::initialize(environment, {"bench.example/disk"}));
  auto writer = must(writer::Writer::open(environment, {}));
  uint64_t json_bytes = 0;
  for (uint64_t done = 0; done < events; done += kBatch) {
    ingest::Batch batch;
    json_bytes += fill(batch, done);
    must(writer->submit_and_wait(std::move(batch)));
  }
  writer->wait_until_indexed();
  must(writer->close());
  double frames = 0, registry = 0, trees = 0, indexes = 0, rest = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (!entry.is_regular_file()) continue;
    const std::string folder = entry.path().parent_path().filename(), file = entry.path().filename();
    const bool segment = file.ends_with(".log") && file.starts_with("seg-");
    double* part = &rest;
    if (folder == "tree") part = &trees;
    if (segment && folder == "logs") part = &frames;
    if (segment && folder == "registry") part = &registry;
    if (!segment && (file.starts_with("seg-") || file.ends_with(".idx"))) part = &indexes;
    *part += static_cast<double>(entry.file_size());
  }
  const auto count = static_cast<double>(events);
  disk = (frames + registry + trees + indexes + rest) / count;
  json = static_cast<double>(json_bytes) / count;
  figures.row(name)
      .add("disk_bytes_per_event", disk)
      .add("json_bytes_per_event", json)
      .add("frames", frames / count)
      .add("trees", trees / count)
      .add("indexes", indexes / count)
      .add("registry", registry / count)
      .add("rest", rest / count);
}

}  // namespace

int main(int count, char** words) {
  uint64_t events = 1000000;
  std::string directory = "/tmp/khipu-bench-disk";
  bool json = false;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--json") {
      json = true;
    } else if (word == "--events" && i + 1 < count) {
      events = std::strtoull(words[++i], nullptr, 10);
    } else if (word == "--dir" && i + 1 < count) {
      directory = words[++i];
    } else {
      die("usage: bench_disk [--events N] [--dir DIR] [--json]");
    }
  }
  if (events == 0 || events % kBatch != 0) die("--events: a multiple of 1000");
  if (std::filesystem::exists(directory)) die(directory + " is there already; it would be removed at the end");
  bench::Figures figures("disk", json);
  bench::Generator generator(1);
  double disk = 0, as_json = 0;
  measure(
      "generator's events, registry empty at first", directory + "/generated", events,
      [&](ingest::Batch& batch, uint64_t) { return fill_from(generator, batch); }, figures, disk, as_json);
  figures.row("of compact JSON (bar: at most 1)").add("ratio", disk / as_json);
  measure("Quipu-Log's bench event", directory + "/quipu", events, fill_as_quipu, figures, disk, as_json);
  figures.row("of Quipu-Log's 279 bytes (bar: below 1)").add("ratio", disk / kQuipuBytes);
  figures.print();
  std::filesystem::remove_all(directory);
  return 0;
}
