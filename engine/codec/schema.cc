// Rules in words, one form for commands, mappings and what is shown: "sealed,exact,prefix(4),accept_leak".
#include "engine/codec/schema.h"

#include <algorithm>

namespace khipu::codec {

std::string text_of(const IndexRule& rule) {
  std::string text(name(rule.kind));
  if (rule.size > 0) text += "(" + std::to_string(rule.size) + ")";
  return text;
}

std::optional<IndexRule> index_rule(std::string_view text) {
  IndexRule rule;
  const size_t open = text.find('(');
  const std::optional<BlindIndex> kind = blind_index(text.substr(0, open));
  if (!kind || *kind == BlindIndex::kNone) return std::nullopt;
  rule.kind = *kind;
  if (open == std::string_view::npos) return rule;
  if (text.back() != ')') return std::nullopt;
  const std::string_view digits = text.substr(open + 1, text.size() - open - 2);
  if (digits.empty() || digits.size() > 3 || digits.front() == '0') return std::nullopt;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return std::nullopt;
    rule.size = rule.size * 10 + static_cast<uint32_t>(digit - '0');
  }
  return rule;
}

std::string text_of(const Rule& rule) {
  std::string text(name(rule.protection));
  for (const IndexRule& index : rule.indexes) text += "," + text_of(index);
  if (rule.low_entropy) text += ",low_entropy";
  if (rule.accept_leak) text += ",accept_leak";
  if (rule.subject) text += ",subject";
  return text;
}

std::optional<Rule> rule(std::string_view text) {
  Rule rule;
  const size_t first = std::min(text.find(','), text.size());
  const std::optional<Protection> kind = protection(text.substr(0, first));
  if (!kind) return std::nullopt;
  rule.protection = *kind;
  while (text.size() > first) {
    const size_t comma = text.rfind(',');
    const std::string_view word = text.substr(comma + 1);
    text = text.substr(0, comma);
    if (const std::optional<IndexRule> index = index_rule(word)) {
      rule.indexes.insert(rule.indexes.begin(), *index);
      continue;
    }
    bool* const flag = word == "low_entropy"   ? &rule.low_entropy
                       : word == "accept_leak" ? &rule.accept_leak
                       : word == "subject"     ? &rule.subject
                                               : nullptr;
    if (flag == nullptr || *flag) return std::nullopt;
    *flag = true;
  }
  return rule;
}

}  // namespace khipu::codec
