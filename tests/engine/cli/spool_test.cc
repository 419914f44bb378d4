#include "engine/cli/spool.h"

#include <cstdlib>
#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"

using namespace khipu;
using cli::Spool;

namespace {

// TMPDIR of this process, for as long as it lives.
struct TemporaryFolder {
  tests::TempDirectory folder;
  TemporaryFolder() { ::setenv("TMPDIR", folder.path().c_str(), 1); }
  ~TemporaryFolder() { ::unsetenv("TMPDIR"); }
};

// What this process has open whose name holds `word`.
size_t open_files(const std::string& word) {
  size_t count = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const std::string name = std::filesystem::read_symlink(entry.path(), error).string();
    if (!error && name.find(word) != std::string::npos) ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("spool: what is kept of a pipe has no name, and what is protected is on no disk") {
  const TemporaryFolder place;
  for (const Spool::Place where : {Spool::Place::kDisk, Spool::Place::kMemory}) {
    Result<Spool> spool = Spool::make(where);
    REQUIRE(spool.ok());
    REQUIRE(spool->append("some ").ok());
    REQUIRE(spool->append("bytes").ok());
    CHECK(spool->file().read_all(100).value() == Buffer({'s', 'o', 'm', 'e', ' ', 'b', 'y', 't', 'e', 's'}));
    CHECK(std::filesystem::is_empty(place.folder.path()));
    if (where == Spool::Place::kMemory) CHECK(open_files(place.folder.path()) == 0);
    CHECK(open_files("/memfd:khipu-input") <= 1);
    if (where == Spool::Place::kMemory) CHECK(open_files("/memfd:khipu-input") == 1);
  }
  CHECK(open_files("/memfd:khipu-input") == 0);
}

TEST_CASE("spool: what is kept in memory is bounded, and the bound says where to go") {
  Result<Spool> spool = Spool::make(Spool::Place::kMemory, 10);
  REQUIRE(spool.ok());
  REQUIRE(spool->append("0123456789").ok());
  const Result<void> more = spool->append("x");
  REQUIRE_FALSE(more.ok());
  CHECK(more.error().code == Code::kLimit);
  CHECK_THAT(more.error().message, ContainsSubstring("import it from a file"));
  CHECK(spool->file().size().value() == 10);
}
