#include "engine/query/masking.h"

#include "engine/base/fold.h"

namespace khipu::query {

void append_hidden_values(const Masking& masking, const codec::VersionRecord& version, std::vector<std::string>& into) {
  for (const codec::NamedValue& field : version.fields) {
    if (field.value.kind == codec::Value::Kind::kText && masking.hides_field(field.name)) {
      into.emplace_back(field.value.text);
    }
  }
}

bool text_matches(std::string_view text, std::string_view wanted, std::string_view folded, Match match) {
  switch (match) {
    case Match::kExact: return text == wanted;
    case Match::kExactCi: return equals_folded(text, folded);
    case Match::kPrefix: return starts_folded(text, folded);
    case Match::kContains: return contains_folded(text, folded);
  }
  return false;
}

bool shown_matches(std::string_view text, std::string_view wanted, std::string_view folded, Match match,
                   const std::vector<Stretch>& hidden) {
  if (hidden.empty()) return text_matches(text, wanted, folded, match);
  switch (match) {
    case Match::kExact:
    case Match::kExactCi: return false;
    case Match::kPrefix: return starts_folded(text.substr(0, hidden.front().begin), folded);
    case Match::kContains: break;
  }
  size_t from = 0;
  for (const Stretch& stretch : hidden) {
    if (contains_folded(text.substr(from, stretch.begin - from), folded)) return true;
    from = stretch.end;
  }
  return contains_folded(text.substr(from), folded);
}

}  // namespace khipu::query
