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

Result<void> each_publication(os::Directory& root, std::string_view origin, CheckpointLogPart part,
                              const tree::VisitPublication& visit) {
  auto opened = root.open_file(kCheckpointLogName, os::Mode::kRead);
  if (!opened.ok() && opened.error().code == Code::kNotFound) return {};
  if (!opened.ok()) return std::move(opened).error();
  const os::File& file = **opened;
  KHIPU_TRY_ASSIGN(const uint64_t size, file.size());
  uint64_t from = 0;
  if (part == CheckpointLogPart::kTail && size > kTailSize) {
    Buffer tail(kTailSize);
    KHIPU_TRY(file.read_exactly(size - kTailSize, tail));
    from = size - from_first_note(as_text(tail), origin).size();
  }
  const auto read = [&](uint64_t offset, std::span<uint8_t> into) { return file.read_exactly(from + offset, into); };
  KHIPU_TRY_ASSIGN(const tree::CheckpointLog log, tree::scan_checkpoint_log(size - from, origin, read, visit));
  if (!log.fault.empty() && !log.torn) return Error{Code::kCorrupt, "checkpoints.log: " + log.fault};
  return {};
}

}  // namespace khipu::snapshot
