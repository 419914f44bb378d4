// What one caller is not shown of texts that others may see, as stretches of them: a search of that caller's finds
// nothing there, or it would be a way to guess what is hidden. Not here: what looks like a secret (mcp/tools/secrets.h
// decides and shows), sealed fields (fields.h), whole events (scope.h).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "engine/query/filter.h"

namespace khipu::query {

struct Stretch {
  size_t begin = 0;
  size_t end = 0;
};

// Implemented by whoever shows rows. Any thread.
class Masking {
 public:
  virtual ~Masking() = default;
  // The whole value of a field or column of this name is hidden.
  virtual bool hides_field(std::string_view name) const = 0;
  // Ascending, not overlapping; `values` are hidden values of the same event, hidden where they stand in `text`, too.
  virtual std::vector<Stretch> hidden(std::string_view text, const std::vector<std::string>& values) const = 0;
  virtual std::vector<Stretch> hidden_of_url(std::string_view url, const std::vector<std::string>& values) const = 0;
};

// Appends the texts of a version's fields that are hidden by their names.
void append_hidden_values(const Masking& masking, const codec::VersionRecord& version, std::vector<std::string>& into);
// Whether `text` meets what is wanted, letters as `match` has it; `folded` is fold(wanted).
bool text_matches(std::string_view text, std::string_view wanted, std::string_view folded, Match match);
// The same by what is left of it without the hidden stretches: nothing that is found may touch one.
bool shown_matches(std::string_view text, std::string_view wanted, std::string_view folded, Match match,
                   const std::vector<Stretch>& hidden);

}  // namespace khipu::query
