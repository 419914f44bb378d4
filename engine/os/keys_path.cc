#include "engine/os/keys_path.h"

#include <filesystem>

namespace khipu::os {

std::string keys_beside(const std::string& root) {
  namespace fs = std::filesystem;
  std::string given = root;
  while (given.size() > 1 && given.back() == '/') given.pop_back();
  const std::string name = fs::path(given).filename().string();
  std::error_code error;
  const bool names_itself = name != "." && name != "..";
  if (names_itself && (fs::exists(given + ".keys", error) || !fs::is_symlink(given, error))) return given + ".keys";
  fs::path real = fs::absolute(given, error);
  if (!error) real = fs::weakly_canonical(real, error);
  if (error) return given + ".keys";
  if (!real.has_filename()) real = real.parent_path();
  return real.string() + ".keys";
}

}  // namespace khipu::os
