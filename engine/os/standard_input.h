// Standard input, or a pipe by its name, as it comes; read by one thread and called off by another; and the way out
// through such a name. Not here: lines (engine/cli).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "engine/base/bytes.h"
#include "engine/base/result.h"

namespace khipu::os {

// Owner: the thread that reads; stop() from any.
class StandardInput {
 public:
  static Result<std::unique_ptr<StandardInput>> open();
  // Waits for no writer of a FIFO: the first read does.
  static Result<std::unique_ptr<StandardInput>> open(const std::string& path);
  ~StandardInput();
  StandardInput(const StandardInput&) = delete;
  StandardInput& operator=(const StandardInput&) = delete;

  // Waits for bytes and reads what is there; 0 at the end, and once it was stopped.
  Result<size_t> read(std::span<uint8_t> into);
  // The same; nullopt when nothing came within the time.
  Result<std::optional<size_t>> read(std::span<uint8_t> into, int timeout_ms);
  void stop();

 private:
  StandardInput(int from, int wake) : from_(from), wake_(wake) {}
  const int from_;  // closed with this object unless it is descriptor 0
  const int wake_;
};

// All of it, to what has that name: a pipe, a terminal, /dev/null. Waits for a FIFO's reader.
Result<void> write_stream(const std::string& path, Bytes content);
// The same, to a descriptor that is open, from where it stands; the name is for messages.
Result<void> write_descriptor(int descriptor, const std::string& name, Bytes content);

}  // namespace khipu::os
