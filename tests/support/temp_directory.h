// A directory of the real file system, removed with all that is in it at the end of the test.
#pragma once

#include <string>

namespace khipu::tests {

class TempDirectory {
 public:
  TempDirectory();  // below TMPDIR; asserts that it could be made
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace khipu::tests
