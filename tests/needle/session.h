// Unique plaintexts for every protected place, real programs around them, and the search of what they leave behind.
// Shared by the tests of this folder.
#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/catch.h"
#include "tests/support/program.h"
#include "tests/support/temp_directory.h"

namespace khipu::needle {

using Json = nlohmann::json;

// None of them is a part of another, and none occurs in a command line of the writer.
inline const std::vector<std::string> kNeedles = {
    "Nadel1.qx7kfw@example.org",  "Nadel2-078051120", "Nadel3-5500000004",
    "Nadel4 wrote a diary",       "203.0.113.249",    "Nadel5.parked@example.org",
    "Nadel6.imported@example.org"};

inline std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return std::move(bytes).str();
}

inline const std::string kControl = "Offen1 in the clear";

inline std::string needle_in(const std::string& bytes, const std::vector<std::string>& needles = kNeedles) {
  for (const std::string& needle : needles) {
    if (bytes.find(needle) != std::string::npos) return needle;
  }
  return "";
}

inline std::string needle_below(const std::string& folder, const std::vector<std::string>& needles = kNeedles) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    if (const std::string found = needle_in(bytes_of(entry.path()), needles); !found.empty()) {
      return found + " in " + entry.path().string();
    }
  }
  return "";
}

// Every readable mapping of a process, in pieces that overlap by the longest needle.
inline std::string needle_in_memory(int pid, const std::vector<std::string>& needles = kNeedles) {
  const std::string folder = "/proc/" + std::to_string(pid);
  std::ifstream maps(folder + "/maps"), memory(folder + "/mem", std::ios::binary);
  if (!memory) return "memory cannot be read";
  for (std::string line; std::getline(maps, line);) {
    uint64_t from = 0, to = 0;
    char dash = 0, mode = 0;
    std::istringstream words(line);
    words >> std::hex >> from >> dash >> to >> mode;
    if (mode != 'r' || line.find("[vvar") != std::string::npos || line.find("[vsyscall]") != std::string::npos)
      continue;
    constexpr uint64_t kPiece = 8 << 20, kOverlap = 64;
    for (uint64_t at = from; at < to; at += kPiece) {
      std::string bytes(std::min(kPiece + kOverlap, to - at), '\0');
      memory.clear();
      memory.seekg(static_cast<std::streamoff>(at));
      memory.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
      bytes.resize(static_cast<size_t>(std::max<std::streamsize>(0, memory.gcount())));
      if (const std::string found = needle_in(bytes, needles); !found.empty()) return found + " in " + line;
    }
  }
  return "";
}

struct Session {
  tests::TempDirectory folder;
  std::string root = folder / "log", keys = folder / "keys";
  std::string errors;  // stderr of all programs

  tests::Ran khipu(std::vector<std::string> words, const std::string& input = "") {
    words.insert(words.begin(), tests::program("khipu"));
    const tests::Ran ran = tests::run(words, input);
    errors += ran.err;
    return ran;
  }
  std::string done(std::vector<std::string> words, const std::string& input = "") {
    const tests::Ran ran = khipu(std::move(words), input);
    INFO(ran.out << ran.err);
    REQUIRE(ran.exit == 0);
    return ran.out;
  }
  // A log with keys and a schema that protects most of what event() says.
  void make() {
    done({"init", root, "--origin", "test/needle"});
    done({"keys", "init", root, "--out", keys});
    done({"types", "add", root, "person", "email:sealed,exact,ngram(3),accept_leak", "ssn:digest", "diary:sealed"});
    done({"columns", "add", root, "card", "--indexed", "--protect", "sealed,exact"});
  }
};

inline std::string event(const std::string& id) {
  Json event = {{"actor", {{"type", "person"}, {"id", id}, {"fields", {{"email", kNeedles[0]}, {"ssn", kNeedles[1]}}}}},
                {"action", "PUT"},
                {"source_ip", kNeedles[4]},
                {"content", {{"diary", kNeedles[3]}, {"mail", kNeedles[0]}}},
                {"custom", {{"card", kNeedles[2]}}}};
  event["actor"]["fields"]["diary"] = kNeedles[3];
  return event.dump() + "\n";
}

inline std::string call(int id, const std::string& tool, const Json& arguments) {
  const Json message = {
      {"jsonrpc", "2.0"}, {"id", id}, {"method", "tools/call"}, {"params", {{"name", tool}, {"arguments", arguments}}}};
  return message.dump() + "\n";
}

inline std::string hello() {
  return Json({{"jsonrpc", "2.0"},
               {"id", 0},
               {"method", "initialize"},
               {"params",
                {{"protocolVersion", "2025-11-25"},
                 {"capabilities", Json::object()},
                 {"clientInfo", {{"name", "test"}, {"version", "1"}}}}}})
             .dump() +
         "\n" + R"({"jsonrpc":"2.0","method":"notifications/initialized"})" + "\n";
}

}  // namespace khipu::needle
