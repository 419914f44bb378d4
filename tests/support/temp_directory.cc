#include "tests/support/temp_directory.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "engine/base/assert.h"

namespace khipu::tests {

TempDirectory::TempDirectory() {
  std::string pattern = std::filesystem::temp_directory_path() / "khipu-test-XXXXXX";
  KHIPU_ASSERT(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;  // a directory left behind is no reason to fail a test
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace khipu::tests
