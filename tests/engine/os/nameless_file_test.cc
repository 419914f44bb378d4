#include "engine/os/nameless_file.h"

#include <array>
#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"

namespace khipu::os {
namespace {

TEST_CASE("nameless file: it is written and read, and its folder stays empty") {
  const tests::TempDirectory folder;
  const auto file = nameless_file(folder.path());
  REQUIRE(file.ok());
  const Buffer bytes = {1, 2, 3};
  REQUIRE((*file)->write_at(2, bytes).ok());
  CHECK((*file)->read_all(100).value() == Buffer{0, 0, 1, 2, 3});
  CHECK((*file)->status().value().links == 0);
  CHECK((*file)->status().value().permissions == 0600);
  CHECK(std::filesystem::is_empty(folder.path()));
  CHECK(nameless_file(folder / "none").error().code == Code::kNotFound);
  const auto none = nameless_file("/proc");  // makes no files; only root is told so
  CHECK((none.error().code == Code::kUnsupported || none.error().code == Code::kForbidden));
}

TEST_CASE("memory file: it is written, read and mapped like any other") {
  const auto file = memory_file("khipu-test");
  REQUIRE(file.ok());
  const Buffer bytes(10000, 7);
  REQUIRE((*file)->write_at(0, bytes).ok());
  CHECK((*file)->read_all(10000).value() == bytes);
  const auto mapped = (*file)->map(10000);
  REQUIRE(mapped.ok());
  CHECK((*mapped)->bytes()[9999] == 7);
}

}  // namespace
}  // namespace khipu::os
