#include "engine/cli/append_reader.h"

#include <condition_variable>
#include <cstring>
#include <mutex>

#include "tests/support/catch.h"

namespace khipu::cli {
namespace {

std::string line(int n) { return R"({"actor":{"type":"user","id":"u-)" + std::to_string(n) + R"("},"action":"x"})"; }

// Gives the text, then an Error when there is one, else the end; where `waits`, it waits for stop() in front of that.
struct Source {
  std::string text;
  bool waits = false, broken = false;
  std::mutex mutex;
  std::condition_variable moved;
  bool stopped = false;
  size_t at = 0;

  LineInput input() {
    return LineInput(
        [this](std::span<uint8_t> into) -> Result<size_t> {
          const size_t size = std::min(into.size(), text.size() - at);
          std::memcpy(into.data(), text.data() + at, size);
          at += size;
          if (size > 0) return size;
          std::unique_lock hold(mutex);
          moved.wait(hold, [&] { return stopped || !waits; });
          if (broken) return Error{Code::kIo, "the pipe broke"};
          return size_t{0};
        },
        1 << 20);
  }
  std::function<void()> stop() {
    return [this] {
      const std::lock_guard hold(mutex);
      stopped = true;
      moved.notify_all();
    };
  }
};

TEST_CASE("append reader: batches come in order, parsed, with each line's place, blank lines left out") {
  Source source;
  for (int n = 0; n < 25; ++n) source.text += line(n) + (n % 3 == 0 ? "\r\n\n" : "\n");
  AppendReader reader(source.input(), 10, source.stop());
  int seen = 0;
  for (const size_t expected : {size_t{10}, size_t{10}, size_t{5}}) {
    const auto lines = reader.next();
    REQUIRE(lines.ok());
    REQUIRE(*lines != nullptr);
    REQUIRE((*lines)->lines.size() == expected);
    CHECK((*lines)->bad == expected);
    REQUIRE((*lines)->batch.events.size() == expected);
    std::string body;
    for (size_t i = 0; i < expected; ++i, ++seen) {
      const AppendLine& one = (*lines)->lines[i];
      CHECK((*lines)->batch.events[i].actor.id == "u-" + std::to_string(seen));
      CHECK(source.text.substr(one.offset, one.text.size()) == one.text);
      body.append(one.text).append("\n");
    }
    CHECK((*lines)->body == body);
  }
  const auto none = reader.next();
  REQUIRE(none.ok());
  CHECK(*none == nullptr);
}

TEST_CASE("append reader: the first bad line of a batch is named, and without it the batch is made again") {
  Source source;
  source.text = line(0) + "\n{\"actor\":1}\n" + line(2) + "\nnonsense\n";
  AppendReader reader(source.input(), 10, source.stop());
  const auto lines = reader.next();
  REQUIRE(lines.ok());
  REQUIRE(*lines != nullptr);
  CHECK((*lines)->bad == 1);
  CHECK_THAT((*lines)->reason, ContainsSubstring("actor: expected an object"));
  (*lines)->lines.erase((*lines)->lines.begin() + 1);
  (*lines)->parse();
  CHECK((*lines)->bad == 2);
  CHECK((*lines)->lines[2].number == 4);
  (*lines)->lines.pop_back();
  (*lines)->parse();
  CHECK((*lines)->bad == 2);
  REQUIRE((*lines)->batch.events.size() == 2);
  CHECK((*lines)->batch.events[1].actor.id == "u-2");
}

TEST_CASE("append reader: what reading failed with comes behind the batches before it") {
  Source source;
  source.text = line(0) + "\n" + line(1) + "\n" + line(2) + "\n";
  source.broken = true;
  AppendReader reader(source.input(), 2, source.stop());
  const auto lines = reader.next();
  REQUIRE(lines.ok());
  CHECK((*lines)->lines.size() == 2);
  const auto broken = reader.next();
  REQUIRE(!broken.ok());
  CHECK(broken.error().message == "the pipe broke");
}

TEST_CASE("append reader: given up while its input waits for bytes, it stops the read and ends") {
  Source source;
  source.text = line(0) + "\n" + line(1) + "\n";
  source.waits = true;
  {
    AppendReader reader(source.input(), 1, source.stop());
    REQUIRE(reader.next().ok());
  }
  CHECK(source.stopped);
}

}  // namespace
}  // namespace khipu::cli
