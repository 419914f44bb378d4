#include "engine/snapshot/checkpoints.h"

namespace khipu::snapshot {

static constexpr std::string_view kCheckpointLogName = "checkpoints.log";
static constexpr uint64_t kTailSize = 64U << 10;

// From the first note of this origin that starts inside `bytes`.
static std::string_view from_first_note(std::string_view bytes, std::string_view origin) {
  const std::string start = "\n\n" + std::string(origin);
  for (size_t at = bytes.find(start); at != bytes.npos; at = bytes.find(start, at + 1)) {
    const size_t behind = at + start.size();
    if (behind < bytes.size() && (bytes[behind] == '\n' || bytes[behind] == '/')) return bytes.substr(at + 2);
  }
  return {};
}

Result<tree::CheckpointLog> read_checkpoints(os::Directory& root, std::string_view origin, CheckpointLogPart part) {
  auto file = root.open_file(kCheckpointLogName, os::Mode::kRead);
  if (!file.ok() && file.error().code == Code::kNotFound) return tree::CheckpointLog();
  if (!file.ok()) return std::move(file).error();
  KHIPU_TRY_ASSIGN(const uint64_t size, file.value()->size());
  const bool tail = part == CheckpointLogPart::kTail && size > kTailSize;
  if (!tail && size > tree::kCheckpointLogSizeMax) return Error{Code::kLimit, "checkpoints.log is over 4 GiB"};
  Buffer bytes(tail ? kTailSize : size);
  KHIPU_TRY(file.value()->read_exactly(size - bytes.size(), bytes));
  const std::string_view text = tail ? from_first_note(as_text(bytes), origin) : as_text(bytes);
  tree::CheckpointLog log = tree::parse_checkpoint_log(text, origin);
  if (!log.fault.empty() && !log.torn) return Error{Code::kCorrupt, "checkpoints.log: " + log.fault};
  return log;
}

}  // namespace khipu::snapshot
