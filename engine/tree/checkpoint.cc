#include "engine/tree/checkpoint.h"

#include <algorithm>
#include <charconv>

#include "engine/base/bytes.h"
#include "engine/tree/tree.h"

namespace khipu::tree {

static Error bad_checkpoint(const char* what) { return {Code::kCorrupt, std::string("checkpoint: ") + what}; }

// The next line without its newline, or nullopt when there is no whole one.
static std::optional<std::string_view> next_line(std::string_view& rest) {
  const size_t end = rest.find('\n');
  if (end == rest.npos) return std::nullopt;
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return line;
}

static std::optional<uint64_t> parse_size(std::string_view text) {
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  uint64_t size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (error != std::errc() || end != text.data() + text.size() || size > kSizeMax) return std::nullopt;
  return size;
}

Result<Checkpoint> parse_checkpoint(std::string_view text) {
  Checkpoint checkpoint;
  const auto origin = next_line(text);
  if (!origin || origin->empty()) return bad_checkpoint("no origin");
  checkpoint.origin = *origin;
  const auto size_line = next_line(text);
  const auto size = size_line ? parse_size(*size_line) : std::nullopt;
  if (!size) return bad_checkpoint("the size is not a decimal number from 0 to 2^63-1");
  checkpoint.size = *size;
  const auto root_line = next_line(text);
  const auto root = root_line ? from_base64(*root_line) : std::nullopt;
  if (!root || root->size() != checkpoint.root.size()) return bad_checkpoint("the root is not 32 bytes in base64");
  std::copy(root->begin(), root->end(), checkpoint.root.begin());
  while (!text.empty()) {
    const auto line = next_line(text);
    if (!line || line->empty()) return bad_checkpoint("an extension line that is empty or does not end");
    checkpoint.extensions.emplace_back(*line);
  }
  return checkpoint;
}

std::string format_checkpoint(const Checkpoint& checkpoint) {
  KHIPU_ASSERT(!checkpoint.origin.empty() && checkpoint.size <= kSizeMax);
  std::string text = checkpoint.origin + "\n" + std::to_string(checkpoint.size) + "\n" + base64(checkpoint.root) + "\n";
  for (const std::string& line : checkpoint.extensions) text += line + "\n";
  return text;
}

}  // namespace khipu::tree
