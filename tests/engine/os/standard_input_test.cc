#include "engine/os/standard_input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>

#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"

namespace khipu::os {
namespace {

// A pipe in the place of standard input, for as long as it lives.
class PipedInput {
 public:
  PipedInput() : kept_(::dup(STDIN_FILENO)) {
    REQUIRE(::pipe(ends_.data()) == 0);
    REQUIRE(::dup2(ends_[0], STDIN_FILENO) == STDIN_FILENO);
  }
  ~PipedInput() {
    if (kept_ >= 0) {
      ::dup2(kept_, STDIN_FILENO);
      ::close(kept_);
    }
    ::close(ends_[0]);
    end();
  }
  void write(const std::string& text) {
    REQUIRE(::write(ends_[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  void end() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }

 private:
  int kept_;
  std::array<int, 2> ends_{-1, -1};
};

TEST_CASE("standard input: what is there is given at once, and nothing at the end") {
  PipedInput piped;
  const auto input = StandardInput::open();
  REQUIRE(input.ok());
  std::array<uint8_t, 64> into{};
  piped.write("one");
  CHECK((*input)->read(into).value() == 3);
  piped.write("more");
  CHECK((*input)->read(std::span(into).first(2)).value() == 2);
  CHECK((*input)->read(into).value() == 2);
  piped.end();
  CHECK((*input)->read(into).value() == 0);
}

TEST_CASE("standard input: a read that waits ends when it is stopped, and later ones at once") {
  const PipedInput piped;
  const auto input = StandardInput::open();
  REQUIRE(input.ok());
  std::array<uint8_t, 64> into{};
  size_t got = 7;
  std::thread reading([&] { got = (*input)->read(into).value(); });
  (*input)->stop();
  reading.join();
  CHECK(got == 0);
  CHECK((*input)->read(into).value() == 0);
}

TEST_CASE("standard input: a pipe by its name is read the same, and time runs out while nothing comes") {
  const tests::TempDirectory folder;
  const std::string path = folder / "pipe";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  const auto input = StandardInput::open(path);
  REQUIRE(input.ok());
  std::array<uint8_t, 64> into{};
  CHECK((*input)->read(into, 0).value() == std::nullopt);  // nobody writes yet: not the end
  const int to = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  REQUIRE(to >= 0);
  CHECK((*input)->read(into, 0).value() == std::nullopt);
  REQUIRE(::write(to, "one", 3) == 3);
  CHECK((*input)->read(into, 1000).value() == size_t{3});
  ::close(to);
  CHECK((*input)->read(into, 1000).value() == size_t{0});
  CHECK((*input)->read(into).value() == 0);
  CHECK(StandardInput::open(folder / "none").error().code == Code::kNotFound);
}

}  // namespace
}  // namespace khipu::os
