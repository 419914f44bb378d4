// Where a command prints: people's text or JSON on stdout, notes and progress on stderr; and the escape that keeps log
// text from driving a terminal. Not here: how an event or a report looks (the room that owns it).
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "engine/base/result.h"

namespace khipu::cli {

// Thread: the command's own.
class Output {
 public:
  Output(std::FILE* out, std::FILE* err, bool json) : out_(out), err_(err), json_(json) {}
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  bool json() const { return json_; }
  void print(std::string_view text);  // to stdout, as it is
  void line(std::string_view text);   // to stdout, with a line break
  // One line to stdout. The first member of every document is its versioned schema name:
  // {"schema":"khipu.status/v1",... Invalid UTF-8 becomes U+FFFD: verbatim bytes do not go through here.
  // What a terminal would act on is escaped in the JSON (visible.h).
  void document(const nlohmann::ordered_json& document);
  void note(std::string_view text);  // to stderr, with a line break; never record text
  // Errors of stdout (a full disk, a closed pipe) that have not been looked at yet. The frame asks at the end; a
  // command that prints without end asks now and then.
  Result<void> check();

 private:
  std::FILE* out_;
  std::FILE* err_;
  bool json_;
};

// `text` on one line with everything a terminal could act on made visible: C0, DEL and C1 controls, line and paragraph
// separators, bidirectional and zero-width marks and bytes that are not UTF-8 become \xHH or \u{HEX}, "\" becomes "\\".
std::string printable(std::string_view text);

// "1.4 GiB", "812 bytes".
std::string human_size(uint64_t bytes);

// A bar on stderr, only when that is a terminal, only once the work has lasted a second. Thread: one.
class Progress {
 public:
  explicit Progress(std::string what, std::FILE* err = stderr);
  ~Progress();  // wipes the bar
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  // total 0: unknown. Cheap: draws at most ten times a second.
  void update(uint64_t done, uint64_t total);

 private:
  std::string what_;
  std::FILE* err_;
  bool terminal_;
  bool drawn_ = false;
  int64_t started_ms_;
  int64_t last_ms_;
};

}  // namespace khipu::cli
