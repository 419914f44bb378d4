// A writer at full speed, to be killed: crash_writer DIR ROUND. Opens DIR/root with the keys in DIR/root.keys and
// submits events without end; prints "EVENT_ID SEQ" for each one that was acknowledged as durable. Exit 1: it could not
// open.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <semaphore>

#include "engine/writer/writer.h"

using namespace khipu;

namespace {

ingest::Batch batch(const std::string& event_id, uint64_t n) {
  ingest::Batch batch;
  const auto entity = [&](std::string_view type, const std::string& id, const std::string& name) {
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
  event.actor = entity("user", fmt::format("u-{}", n % 997), fmt::format("name {}", n / 5000));
  const std::array<ingest::EntityInput, 2> targets = {entity("resource", fmt::format("r-{}", n % 4999), {}),
                                                      entity("service", fmt::format("s-{}", n % 7), {})};
  event.targets = batch.keep(std::span<const ingest::EntityInput>(targets));
  event.action = "PUT";
  event.event_id = batch.keep(std::string_view(event_id));
  event.content_kind = codec::ContentKind::kText;
  event.content = batch.keep(as_bytes(std::string(200, 'x')));
  batch.events.push_back(event);
  return batch;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string folder = argv[1], round = argv[2];
  auto root = os::open_directory(folder + "/root");
  auto keys = os::open_directory(folder + "/root.keys");
  if (!root.ok() || !keys.ok()) return 2;
  writer::Options options;
  options.segment_size_bytes = 400000;  // seals while it runs
  auto opened = writer::Writer::open({**root, **keys, os::system_clock(), os::system_random()}, options);
  if (!opened.ok()) {
    std::fprintf(stderr, "crash_writer: %s\n", opened.error().message.c_str());
    return 1;
  }
  // Written with one write() each: a line is in the pipe before its event counts as acknowledged.
  std::counting_semaphore<8192> waiting(8192);
  for (uint64_t n = 0;; ++n) {
    waiting.acquire();
    const std::string event_id = "r" + round + "-" + std::to_string(n);
    (*opened)->submit(batch(event_id, n), [&waiting, event_id](Result<writer::Receipt> receipt) {
      if (receipt.ok() && receipt->durable) {
        const std::string line = event_id + " " + std::to_string(receipt->first_seq.value) + "\n";
        if (write(STDOUT_FILENO, line.data(), line.size()) < 0) std::abort();
      }
      waiting.release();
    });
  }
}
