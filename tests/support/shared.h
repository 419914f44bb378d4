// Files of the contract documents' folder (vectors, sample data), which is beside the repository and not part of it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

namespace khipu::tests {

// nullopt when there is no such folder or file: SKIP("...") then.
inline std::optional<std::filesystem::path> shared_path(const std::string& name) {
  const char* folder = std::getenv("KHIPU_SHARED");
  if (folder == nullptr) return std::nullopt;
  const std::filesystem::path path = std::filesystem::path(folder) / name;
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return std::nullopt;
  return path;
}

inline std::string file_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A file of the repository.
inline std::string source_text(const std::string& name) {
  const char* folder = std::getenv("KHIPU_SOURCE");
  return folder == nullptr ? std::string() : file_text(std::filesystem::path(folder) / name);
}

}  // namespace khipu::tests
