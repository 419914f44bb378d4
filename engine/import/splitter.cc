#include "engine/import/splitter.h"

#include <algorithm>
#include <utility>

namespace khipu::import {
namespace {

constexpr size_t kDetectSize = 256 * 1024;

// Lines, CSV and export entries need no more than looking for one byte sequence; JSON has its own file.
class LineSplitter : public Splitter {
 public:
  using Splitter::Splitter;

 private:
  Result<size_t> cut(Item& item) override {
    for (;;) {
      KHIPU_TRY_ASSIGN(const size_t size, line_size());
      KHIPU_TRY_ASSIGN(const int after, byte(size));
      if (size == 0 && after < 0) return size_t{0};
      const bool rest = std::exchange(cut_short_, after >= 0 && after != '\n');
      if (size > 0 && (rest || cut_short_)) return damaged(item, size, "the line is " + limit_text());
      if (after < 0 && !input_.damage().empty()) return damaged(item, size, input_.damage());
      size_t end = size;
      if (end > 0 && input_.window()[end - 1] == '\r') --end;
      if (after < 0 && options_.last_line_waits) return hold_back("line", size);
      if (end > 0) return end;
      input_.consume(size + (after == '\n' ? 1 : 0));
    }
  }

  bool cut_short_ = false;  // the piece before was over the limit: what follows in its line is no record
};

// RFC 4180 rows; the JSON record is in the column _raw, as Splunk and Cribl export it.
class CsvSplitter : public Splitter {
 public:
  using Splitter::Splitter;

 private:
  Result<size_t> cut(Item& item) override {
    if (!column_) {
      KHIPU_TRY_ASSIGN(const size_t size, row());
      const auto at = std::find(cells_.begin(), cells_.end(), "_raw");
      column_ = static_cast<size_t>(at - cells_.begin());
      columns_ = cells_.size();
      input_.consume(size);
    }
    for (;;) {
      KHIPU_TRY_ASSIGN(const int first, byte(0));
      if (first < 0) return size_t{0};
      if (first != '\n' && first != '\r') break;
      input_.consume(1);
    }
    KHIPU_TRY_ASSIGN(const size_t size, row());
    KHIPU_TRY_ASSIGN(const int after, byte(size));
    if (too_long(size)) return damaged(item, size, limit_text());
    if (after < 0 && !input_.damage().empty()) return damaged(item, size, input_.damage());
    if (after < 0 && options_.last_line_waits) return hold_back("row", size);
    if (open_quote_) return damaged(item, size, "a quote in this row never closes");
    if (cells_.size() < columns_) {
      return damaged(item, size,
                     "the row has " + std::to_string(cells_.size()) + " of " + std::to_string(columns_) + " columns");
    }
    if (after < 0) warnings_.push_back("the last row has no end: more of it may be missing");
    item.inner = std::move(cells_[*column_]);
    return size;
  }

  // Reads the row at the front of the window into cells_; its size without the line end.
  Result<size_t> row() {
    cells_.assign(1, {});
    open_quote_ = false;
    for (size_t at = 0;; ++at) {
      KHIPU_TRY_ASSIGN(const int c, byte(at));
      if (c < 0 || too_long(at)) return at;
      if (open_quote_) {
        if (c != '"') {
          cells_.back() += static_cast<char>(c);
          continue;
        }
        KHIPU_TRY_ASSIGN(const int after, byte(at + 1));
        open_quote_ = after == '"';
        if (open_quote_) {
          cells_.back() += '"';
          ++at;
        }
      } else if (c == '"') {
        open_quote_ = true;
      } else if (c == ',') {
        cells_.emplace_back();
      } else if (c == '\n' || c == '\r') {
        return at;
      } else {
        cells_.back() += static_cast<char>(c);
      }
    }
  }

  std::optional<size_t> column_;
  size_t columns_ = 0;  // of the header
  std::vector<std::string> cells_;
  bool open_quote_ = false;
};

// systemd's Journal Export Format: NAME=text lines, or NAME, newline, u64 size, bytes, newline; a blank line ends an
// entry. Newlines inside sized values are why it cannot be split by lines.
class ExportSplitter : public Splitter {
 public:
  using Splitter::Splitter;

 private:
  Result<size_t> cut(Item& item) override {
    for (;;) {
      KHIPU_TRY_ASSIGN(const int first, byte(0));
      if (first < 0) return size_t{0};
      if (first != '\n') break;
      input_.consume(1);
    }
    for (size_t at = 0;;) {
      KHIPU_TRY_ASSIGN(const size_t size, line_size(at));
      KHIPU_TRY_ASSIGN(const int after, byte(at + size));
      if (too_long(at + size)) return damaged(item, at + size, limit_text());
      if (size == 0 && after >= 0) return at;  // a blank line
      if (size == 0) return last(at);
      const auto line = input_.window().subspan(at, size);
      const bool named = std::find(line.begin(), line.end(), uint8_t{'='}) != line.end();
      if (after < 0 && named) return last(at + size);
      if (after < 0) return ends_inside(item, at + size);
      at += size + 1;
      if (named) continue;
      KHIPU_TRY_ASSIGN(const bool sized, has(at + 8));
      if (!sized) return ends_inside(item, input_.window().size());
      const auto value = load_le<uint64_t>(input_.window().data() + at);
      if (value > options_.record_size_bytes_max - std::min<uint64_t>(at, options_.record_size_bytes_max)) {
        KHIPU_TRY_ASSIGN(const size_t rest, entry_end(at));
        return damaged(item, rest, "a field's size (" + std::to_string(value) + ") is over the record limit");
      }
      KHIPU_TRY_ASSIGN(const bool whole, has(at + 8 + value + 1));
      if (!whole && options_.last_line_waits) {
        KHIPU_TRY_ASSIGN(const size_t rest, entry_end(at));
        if (rest == input_.window().size()) return hold_back("entry", rest);
      }
      if (!whole || input_.window()[at + 8 + value] != '\n') {
        KHIPU_TRY_ASSIGN(const size_t rest, entry_end(at));
        return damaged(item, rest, "a field's size does not fit its bytes");
      }
      at += 8 + value + 1;
    }
  }

  // What stands at the end of the input without the blank line that ends an entry.
  size_t last(size_t size) {
    if (options_.last_line_waits) return hold_back("entry", size);
    warnings_.push_back("the last entry has no blank line behind it: more of it may be missing");
    return size;
  }
  size_t ends_inside(Item& item, size_t size) {
    return options_.last_line_waits ? hold_back("entry", size) : damaged(item, size, "the input ends inside an entry");
  }

  // Where the next blank line ends this entry, when its sizes cannot be followed.
  Result<size_t> entry_end(size_t at) {
    for (;; ++at) {
      KHIPU_TRY_ASSIGN(const bool two, has(at + 2));
      if (!two) return input_.window().size();
      if (too_long(at)) return at;
      if (input_.window()[at] == '\n' && input_.window()[at + 1] == '\n') return at;
    }
  }
};

// How a line stands by itself, without looking at the lines around it.
enum class LineForm { kObject, kContainerBegins, kOther };
LineForm line_form(std::string_view line) {
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  if (quoted) return LineForm::kOther;
  if (depth == 0 && line.size() >= 2 && line.front() == '{' && line.back() == '}') return LineForm::kObject;
  const bool goes_on = line.back() == '[' || line.back() == '{' || line.back() == ',';
  return depth > 0 && goes_on ? LineForm::kContainerBegins : LineForm::kOther;
}

// Whether a line of the text is a whole object by itself: then the input is JSON lines, and damage stays in its line.
// Not when the first line opens an object or array that goes on: its last record may stand in a line alone too.
bool has_object_line(std::string_view text) {
  bool first = true;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
    if (line.empty()) continue;
    const LineForm form = line_form(line);
    if (form == LineForm::kObject) return true;
    if (form == LineForm::kContainerBegins && first) return false;
    first = false;
  }
  return false;
}

// How much is looked at to choose: kDetectSize, and more where the first line with anything in it has not ended there.
Result<size_t> detect_size(Input& input, uint64_t record_size_bytes_max) {
  for (size_t looked = 0;;) {
    const std::string_view text = as_text(input.window());
    const size_t first = text.find_first_not_of(" \t\r\n");
    const bool full = text.size() >= kDetectSize + record_size_bytes_max;
    size_t end = std::string_view::npos;
    if (first != std::string_view::npos) end = text.find('\n', std::max(first, looked));
    if (text.size() >= kDetectSize && (full || end != std::string_view::npos)) return std::max(kDetectSize, end);
    looked = text.size();
    KHIPU_TRY_ASSIGN(const bool more, input.more());
    if (!more) return text.size();
  }
}

}  // namespace

Result<std::optional<Item>> Splitter::next() {
  input_.consume(pending_);
  pending_ = 0;
  Item item;
  KHIPU_TRY_ASSIGN(const size_t size, cut(item));
  if (size == 0) {
    KHIPU_ASSERT(input_.window().empty() || held_back_);
    return std::optional<Item>();
  }
  item.raw = input_.window().first(size);
  item.offset = input_.offset();
  item.end = item.offset + size;
  item.line = input_.line();
  pending_ = size;
  return std::optional<Item>(std::move(item));
}

Result<bool> Splitter::has(size_t size) {
  while (input_.window().size() < size) {
    KHIPU_TRY_ASSIGN(const bool more, input_.more());
    if (!more) return false;
  }
  return true;
}

Result<int> Splitter::byte(size_t at) {
  if (at < input_.window().size()) return int{input_.window()[at]};
  KHIPU_TRY_ASSIGN(const bool there, has(at + 1));
  return there ? int{input_.window()[at]} : -1;
}

Result<size_t> Splitter::line_size(size_t from) {
  size_t at = from;
  for (;;) {
    const Bytes window = input_.window();
    const auto newline = std::find(window.begin() + static_cast<ptrdiff_t>(at), window.end(), uint8_t{'\n'});
    at = static_cast<size_t>(newline - window.begin());
    if (newline != window.end() && !too_long(at)) return at - from;
    if (too_long(at)) return std::max<size_t>(options_.record_size_bytes_max, from) - from;
    KHIPU_TRY_ASSIGN(const bool more, input_.more());
    if (!more) return at - from;
  }
}

std::unique_ptr<Splitter> make_line_splitter(Input& input, const SourceOptions& options) {
  return std::make_unique<LineSplitter>(input, options);
}
std::unique_ptr<Splitter> make_csv_splitter(Input& input, const SourceOptions& options) {
  return std::make_unique<CsvSplitter>(input, options);
}
std::unique_ptr<Splitter> make_export_splitter(Input& input, const SourceOptions& options) {
  return std::make_unique<ExportSplitter>(input, options);
}

Result<std::unique_ptr<Splitter>> make_splitter(Input& input, const SourceOptions& options) {
  KHIPU_TRY_ASSIGN(const size_t size, detect_size(input, options.record_size_bytes_max));
  std::string_view text = as_text(input.window());
  if (text.starts_with("\xEF\xBB\xBF")) {
    input.consume(3);
    text = as_text(input.window());
  }
  if (options.container == Container::kLines) return make_line_splitter(input, options);
  text = text.substr(0, size);
  const size_t first = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  const char c = first < text.size() ? text[first] : '\0';
  if (c != '{' && c != '[') {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (options.container == Container::kJsonOrExport && line.find('=') != std::string_view::npos) {
      return make_export_splitter(input, options);
    }
    if (options.container == Container::kJsonOrCsv && line.find("_raw") != std::string_view::npos) {
      return make_csv_splitter(input, options);
    }
  }
  return make_json_splitter(input, options, has_object_line(text));
}

}  // namespace khipu::import
