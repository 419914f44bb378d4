#include "engine/protect/transform.h"

#include <algorithm>
#include <set>

#include "tests/support/catch.h"

namespace khipu::protect {
namespace {

constexpr IndexRule kExact{codec::BlindIndex::kExact, 0};
constexpr IndexRule kPrefix3{codec::BlindIndex::kPrefix, 3};
constexpr IndexRule kNgram3{codec::BlindIndex::kNgram, 3};

std::vector<std::string> list(const Terms& terms) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < terms.size(); ++i) texts.emplace_back(terms[i]);
  std::sort(texts.begin(), texts.end());
  return texts;
}
std::vector<std::string> of_value(const IndexRule& rule, std::string_view value) {
  Terms terms;
  terms_of_value(rule, value, terms);
  return list(terms);
}
struct Asked {
  std::vector<std::string> terms;
  bool exact = false;
};
std::optional<Asked> ask(const IndexRule& rule, Compare compare, std::string_view probe) {
  Terms terms;
  const auto exact = terms_of_probe(rule, compare, probe, terms);
  if (!exact.ok()) {
    CHECK(exact.error().code == Code::kInvalid);
    CHECK((probe.size() < 4 || exact.error().message.find(probe) == std::string::npos));
    return std::nullopt;
  }
  return Asked{list(terms), *exact};
}
using Texts = std::vector<std::string>;

TEST_CASE("transform: exact keeps the whole value, lower-cased as every search does") {
  CHECK(of_value(kExact, "Alice@Example.ORG") == Texts{"alice@example.org"});
  CHECK(of_value(kExact, "ÅNGSTRÖM") == Texts{"ångström"});
  CHECK(of_value(kExact, "") == Texts{""});
  CHECK(ask(kExact, Compare::kExactCi, "ALICE")->exact);
  CHECK_FALSE(ask(kExact, Compare::kExact, "Alice")->exact);  // the index does not know about case
  CHECK_FALSE(ask(kExact, Compare::kPrefix, "al").has_value());
  CHECK_FALSE(ask(kExact, Compare::kContains, "lic").has_value());
}

TEST_CASE("transform: prefix(n) keeps prefixes of 1 to n characters, not bytes") {
  CHECK(of_value(kPrefix3, "Ünal") == Texts{"ü", "ün", "üna"});
  CHECK(of_value(kPrefix3, "ab") == Texts{"a", "ab"});
  CHECK(of_value(kPrefix3, "").empty());
  const auto whole = ask(kPrefix3, Compare::kPrefix, "ÜN");
  CHECK(whole->terms == Texts{"ün"});
  CHECK(whole->exact);
  const auto longer = ask(kPrefix3, Compare::kPrefix, "unal");
  CHECK(longer->terms == Texts{"una"});
  CHECK_FALSE(longer->exact);
  CHECK_FALSE(ask(kPrefix3, Compare::kExactCi, "un")->exact);
  CHECK_FALSE(ask(kPrefix3, Compare::kPrefix, "").has_value());
  CHECK_FALSE(ask(kPrefix3, Compare::kContains, "una").has_value());
}

TEST_CASE("transform: ngram(n) keeps distinct windows of n characters, a shorter value as one whole term") {
  CHECK(of_value(kNgram3, "Banana") == Texts{"ana", "ban", "nan"});
  CHECK(of_value(kNgram3, "日本語ab") == Texts{"日本語", "本語a", "語ab"});
  CHECK(of_value(kNgram3, "AB") == Texts{"ab"});
  CHECK(of_value(kNgram3, "") == Texts{""});
  const auto window = ask(kNgram3, Compare::kContains, "NAN");
  CHECK(window->terms == Texts{"nan"});
  CHECK(window->exact);
  const auto longer = ask(kNgram3, Compare::kContains, "nana");
  CHECK(longer->terms == Texts{"ana", "nan"});
  CHECK_FALSE(longer->exact);
  CHECK(ask(kNgram3, Compare::kExactCi, "ab")->exact);  // only a value that is "ab" has that term
  CHECK_FALSE(ask(kNgram3, Compare::kExactCi, "banana")->exact);
}

TEST_CASE("transform: a probe shorter than n characters is an error that says so") {
  Terms terms;
  const auto exact = terms_of_probe(kNgram3, Compare::kContains, "日本", terms);
  REQUIRE_FALSE(exact.ok());
  CHECK(exact.error().code == Code::kInvalid);
  CHECK(exact.error().message.find("3 characters") != std::string::npos);
  CHECK_FALSE(ask(kNgram3, Compare::kPrefix, "ba").has_value());
  CHECK_FALSE(ask(kNgram3, Compare::kContains, "").has_value());
  CHECK_FALSE(ask({}, Compare::kExactCi, "a").has_value());
}

TEST_CASE("transform: what matches has all terms of the probe, and an exact answer is one") {
  const Texts words = {"", "a", "ab", "abc", "abcd", "bcab", "ABCABC", "xabcx", "Äbc", "äbcd", "cabbac"};
  for (const IndexRule& rule : {kExact, kPrefix3, kNgram3}) {
    for (const std::string& value : words) {
      const Texts kept = of_value(rule, value);
      for (const std::string& probe : words) {
        const auto lower = [](std::string text) {
          for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
          if (text.starts_with("Ä")) text = "ä" + text.substr(2);
          return text;
        };
        const std::string folded = lower(value), asked_for = lower(probe);
        for (const Compare compare : {Compare::kExact, Compare::kExactCi, Compare::kPrefix, Compare::kContains}) {
          const auto asked = ask(rule, compare, probe);
          if (!asked) continue;
          const bool found = std::all_of(asked->terms.begin(), asked->terms.end(), [&](const std::string& term) {
            return std::find(kept.begin(), kept.end(), term) != kept.end();
          });
          const bool matches = compare == Compare::kExact     ? value == probe
                               : compare == Compare::kExactCi ? folded == asked_for
                               : compare == Compare::kPrefix  ? folded.starts_with(asked_for)
                                                              : folded.find(asked_for) != std::string::npos;
          INFO(static_cast<int>(rule.index) << " '" << value << "' '" << probe << "' " << static_cast<int>(compare));
          if (matches) CHECK(found);
          if (asked->exact) CHECK(found == matches);
        }
      }
    }
  }
}

}  // namespace
}  // namespace khipu::protect
