// What `khipu append` reads ahead: the next batch's lines, parsed, on a thread of its own while the one before it is
// committed. Not here: commits, what happens to a bad line (append_command.cc).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/channel.h"
#include "engine/cli/line_input.h"
#include "engine/ingest/event.h"

namespace khipu::cli {

struct AppendLine {
  uint64_t number = 0;
  uint64_t offset = 0;
  std::string_view text;    // of one that is too long, its beginning
  std::string reason = {};  // it is too long
};

struct AppendLines {
  std::vector<AppendLine> lines;
  std::string body;     // each of them as it was read, with a newline behind it; the lines and the batch view it
  ingest::Batch batch;  // of all of them, or of those in front of the bad one
  ingest::Limits limits = {};
  size_t bad = 0;      // index of the first line that is no event, or lines.size()
  std::string reason;  // why it is none

  // Makes the batch again of the lines that are left.
  void parse();
};

// Of a line that is too long, so much is kept.
inline constexpr size_t kLongLineKeptBytes = 64 << 10;

// Owner: one thread; the input is the reading thread's from here on. `stop` makes a read that waits return. A line that
// is too long is a bad line where `keeps_long`, else the end. A batch ends with the line with which it has so many
// lines, or in front of the one with which it would have more bytes.
class AppendReader {
 public:
  AppendReader(LineInput input, uint64_t batch_lines, std::function<void()> stop, bool keeps_long = false,
               const ingest::Limits& limits = {}, uint64_t batch_size_bytes = UINT64_MAX);
  ~AppendReader();
  AppendReader(const AppendReader&) = delete;
  AppendReader& operator=(const AppendReader&) = delete;

  // The next batch; nullptr at the end of the input. An Error of reading comes behind the batches before it.
  Result<std::unique_ptr<AppendLines>> next();

 private:
  Result<void> read_all();

  LineInput input_;
  const uint64_t batch_lines_, batch_size_bytes_;
  const ingest::Limits limits_;
  const bool keeps_long_;
  const std::function<void()> stop_;
  Channel<std::unique_ptr<AppendLines>> ready_{1};
  Result<void> read_;  // written before ready_ is closed
  std::thread thread_;
};

}  // namespace khipu::cli
