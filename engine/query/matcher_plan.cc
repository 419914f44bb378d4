// A filter's conditions asked of a segment's index: Matcher::narrow.
#include "engine/query/matcher.h"

#include <algorithm>

namespace khipu::query {
namespace {

std::vector<index::Term> words(index::Field field, const std::vector<std::string>& from) {
  std::vector<index::Term> terms;
  for (const std::string& word : from) terms.push_back(index::word_term(field, word));
  return terms;
}
std::vector<index::Term> codes(index::Field field, uint32_t bits) {
  std::vector<index::Term> terms;
  for (uint8_t code = 0; code < 32; ++code) {
    if ((bits >> code & 1U) != 0) terms.push_back(index::code_term(field, code));
  }
  return terms;
}

}  // namespace

std::vector<index::Term> Matcher::terms_of(const Column& column) {
  if (!column.probe) return {index::column_term(column.id, column.value.view())};
  std::vector<index::Term> terms;
  for (const auto& digest : column.probe->digests) terms.push_back(index::digest_term(column.id, digest));
  if (!terms.empty()) return terms;
  // The first list alone, where there are more: the others only narrow it further, which the records do.
  for (const protect::Token& token : column.probe->all_of.front()) {
    terms.push_back(index::token_term(column.id, static_cast<uint8_t>(column.probe->index), token));
  }
  return terms;
}

Result<void> Matcher::narrow(Plan& plan) const {
  using index::Field;
  const Compiled& c = where_;
  if (scope_ != nullptr) plan.inexact();  // an index knows no callers
  if (from_ || to_) KHIPU_TRY(on_occurred_ ? plan.keep_times(from_, to_) : plan.keep_recorded(from_, to_));
  for (const Entity& actor : c.actors) KHIPU_TRY(plan.keep_entities(Field::kActor, actor));
  for (const Entity& target : c.targets) KHIPU_TRY(plan.keep_entities(Field::kTarget, target));
  if (!c.actions.empty()) KHIPU_TRY(plan.keep_any(words(Field::kAction, c.actions)));
  if (!c.sources.empty()) KHIPU_TRY(plan.keep_any(words(Field::kSource, c.sources)));
  if (c.action_classes != 0) KHIPU_TRY(plan.keep_any(codes(Field::kActionClass, c.action_classes)));
  if (c.outcomes != 0) KHIPU_TRY(plan.keep_any(codes(Field::kOutcome, c.outcomes)));
  if (!c.url_prefix.empty()) KHIPU_TRY(plan.keep_url(c.url_prefix));
  if (masking_ != nullptr && !c.url_prefix.empty()) plan.inexact();
  for (const Column& column : c.custom) {
    // Of each term of an n-gram, any day's token; what is left are candidates until the record is opened.
    if (column.indexed) KHIPU_TRY(plan.keep_any(terms_of(column)));
    if (!index_decides(column)) plan.inexact();
  }
  if (!c.text.empty() || !where_not_.text.empty() || hours_) plan.inexact();

  const Compiled& n = where_not_;
  for (const Entity& actor : n.actors) KHIPU_TRY(plan.drop_entities(Field::kActor, actor));
  for (const Entity& target : n.targets) KHIPU_TRY(plan.drop_entities(Field::kTarget, target));
  KHIPU_TRY(plan.drop_any(words(Field::kAction, n.actions)));
  KHIPU_TRY(plan.drop_any(words(Field::kSource, n.sources)));
  KHIPU_TRY(plan.drop_any(codes(Field::kActionClass, n.action_classes)));
  KHIPU_TRY(plan.drop_any(codes(Field::kOutcome, n.outcomes)));
  if (!n.url_prefix.empty() && masking_ != nullptr) {
    plan.inexact();  // a url may begin so by what is hidden of it
  } else if (!n.url_prefix.empty()) {
    KHIPU_TRY(plan.drop_url(n.url_prefix));
  }
  for (const Column& column : n.custom) {
    if (column.hidden) continue;  // leaves nothing out
    if (index_decides(column)) {
      KHIPU_TRY(plan.drop_any(terms_of(column)));
    } else {
      plan.inexact();
    }
  }
  return {};
}

Matcher::Needs Matcher::needs() const {
  using index::Field;
  constexpr size_t kTermsMax = 64;  // of a list: more are looked for segment by segment
  Needs needs;
  const Compiled& c = where_;
  const Compiled& n = where_not_;
  needs.alone = scope_ == nullptr && !hours_ && c.url_prefix.empty() && c.text.empty() && n.actors.empty() &&
                n.targets.empty() && n.actions.empty() && n.sources.empty() && n.action_classes == 0 &&
                n.outcomes == 0 && n.url_prefix.empty() && n.custom.empty() && n.text.empty();
  // `one`: a row has one value of that field, so rows of different terms are different ones.
  const auto add = [&](std::vector<index::Term> terms, bool one) {
    const auto bytes = [](const index::Term& term) { return as_text(term.view()); };
    std::sort(terms.begin(), terms.end(), [&](const auto& a, const auto& b) { return bytes(a) < bytes(b); });
    terms.erase(
        std::unique(terms.begin(), terms.end(), [&](const auto& a, const auto& b) { return bytes(a) == bytes(b); }),
        terms.end());  // what is asked for twice counts once
    for (const index::Term& term : terms) needs.alone &= term.exact;
    needs.alone &= one || terms.size() == 1;
    if (terms.empty() || terms.size() > kTermsMax) {
      needs.alone = false;
    } else {
      needs.lists.push_back(std::move(terms));
    }
  };
  const auto entities = [](Field field, const Entity& of) {
    std::vector<index::Term> terms;
    for (size_t i = 0; i < std::min(of.size(), kTermsMax + 1); ++i) terms.push_back(index::entity_term(field, of[i]));
    return terms;
  };
  for (const Entity& actor : c.actors) add(entities(Field::kActor, actor), true);
  for (const Entity& target : c.targets) add(entities(Field::kTarget, target), false);
  if (!c.actions.empty()) add(words(Field::kAction, c.actions), true);
  if (!c.sources.empty()) add(words(Field::kSource, c.sources), true);
  if (c.action_classes != 0) add(codes(Field::kActionClass, c.action_classes), true);
  if (c.outcomes != 0) add(codes(Field::kOutcome, c.outcomes), true);
  for (const Column& column : c.custom) {
    needs.alone &= index_decides(column);
    if (column.indexed) add(terms_of(column), true);
  }
  needs.alone &= needs.lists.size() <= 1;
  return needs;
}

}  // namespace khipu::query
