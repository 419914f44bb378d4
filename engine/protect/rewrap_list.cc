#include "engine/protect/rewrap_list.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "engine/base/bytes.h"
#include "engine/protect/wrapped_key.h"

namespace khipu::protect {
namespace {

constexpr std::string_view kHead = "# khipu-rewrapped/v1 ";
constexpr std::string_view kGap = "  ";

template <typename Bytes>
bool take_hex(std::string_view& text, Bytes& into) {
  const std::string_view digits = text.substr(0, 2 * into.size());
  const auto bytes = from_hex(digits);
  if (!bytes || bytes->size() != into.size() || hex(*bytes) != digits) return false;
  std::copy(bytes->begin(), bytes->end(), into.begin());
  text.remove_prefix(digits.size());
  return true;
}

Error not_a_list(const char* why) {
  return Error{Code::kCorrupt, std::string("not a list of `khipu keys rewrap`: ") + why};
}

}  // namespace

std::string print_rewrap_list(const RewrapList& list) {
  std::string text = std::string(kHead) + hex(list.root) + "\n";
  for (const auto& [name, sha256] : list.files) text += hex(sha256) + std::string(kGap) + name + "\n";
  return text;
}

Result<RewrapList> parse_rewrap_list(std::string_view text) {
  if (text.size() > kRewrapListSizeBytesMax) return not_a_list("too large");
  RewrapList list;
  if (!text.starts_with(kHead)) return not_a_list("its first line is not this version's");
  text.remove_prefix(kHead.size());
  if (!take_hex(text, list.root) || !text.starts_with('\n')) return not_a_list("its first line names no log");
  text.remove_prefix(1);
  std::optional<WrappedName> before;
  while (!text.empty()) {
    Hash sha256;
    if (!take_hex(text, sha256) || !text.starts_with(kGap)) return not_a_list("a line without a SHA-256");
    text.remove_prefix(kGap.size());
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return not_a_list("cut short");
    const std::optional<WrappedName> name = WrappedName::parse(text.substr(0, end));
    if (!name) return not_a_list("a line that names no file of keys/");
    const auto order = [](const WrappedName& of) { return std::pair(of.kind, of.number); };
    if (before && order(*before) >= order(*name)) return not_a_list("a key twice, or out of order");
    list.files.emplace(name->text(), sha256);
    before = name;
    text.remove_prefix(end + 1);
  }
  return list;
}

}  // namespace khipu::protect
