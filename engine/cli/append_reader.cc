#include "engine/cli/append_reader.h"

#include "engine/import/canonical_json.h"

namespace khipu::cli {

void AppendLines::parse() {
  batch = {};
  batch.events.reserve(lines.size());
  import::EventParser parser(batch, limits);
  for (bad = 0; bad < lines.size(); ++bad) {
    reason = lines[bad].reason;
    if (!reason.empty()) return;
    const Result<void> parsed = parser.parse(lines[bad].text);
    if (parsed.ok()) continue;
    reason = parsed.error().message;
    return;
  }
}

AppendReader::AppendReader(LineInput input, uint64_t batch_lines, std::function<void()> stop, bool keeps_long,
                           const ingest::Limits& limits, uint64_t batch_size_bytes)
    : input_(std::move(input)),
      batch_lines_(batch_lines),
      batch_size_bytes_(batch_size_bytes),
      limits_(limits),
      keeps_long_(keeps_long),
      stop_(std::move(stop)),
      thread_([this] {
        read_ = read_all();
        ready_.close();
      }) {}

AppendReader::~AppendReader() {
  ready_.abandon();
  stop_();
  thread_.join();
}

Result<void> AppendReader::read_all() {
  std::string body;
  struct Place {
    uint64_t number, offset;
    size_t end;  // in body, without the newline
    std::string reason;
  };
  std::vector<Place> places;
  const auto hand_on = [&] {
    auto lines = std::make_unique<AppendLines>();
    lines->limits = limits_;
    const size_t size = body.size();
    lines->body = std::move(body);
    lines->lines.reserve(places.size());
    size_t from = 0;
    for (Place& place : places) {
      lines->lines.push_back({place.number, place.offset, std::string_view(lines->body).substr(from, place.end - from),
                              std::move(place.reason)});
      from = place.end + 1;
    }
    lines->parse();
    body = {};
    body.reserve(size + size / 8);
    places.clear();
    return ready_.put(std::move(lines));
  };
  for (bool more = true; more;) {
    InputLine line;
    std::string reason;
    Result<bool> next = input_.next(line);
    if (next.ok()) {
      more = *next;
    } else if (keeps_long_ && next.error().code == Code::kLimit) {
      KHIPU_TRY_ASSIGN(const LineInput::PassedOver passed, input_.pass_over(kLongLineKeptBytes));
      line = passed.line;
      reason = "the line is too long; kept are the first " + std::to_string(line.text.size()) + " of " +
               std::to_string(passed.size) + " bytes";
    } else {
      return std::move(next).error();
    }
    const bool counts = more && (!reason.empty() || line.text.find_first_not_of(" \t\r") != std::string_view::npos);
    if (counts && !places.empty() && body.size() + line.text.size() >= batch_size_bytes_ && !hand_on()) return {};
    if (counts) {
      body.append(line.text);
      places.push_back({line.number, line.offset, body.size(), std::move(reason)});
      body += '\n';
    }
    const bool whole = places.size() >= batch_lines_ || body.size() >= batch_size_bytes_ || !more;
    if (whole && !places.empty() && !hand_on()) return {};
  }
  return {};
}

Result<std::unique_ptr<AppendLines>> AppendReader::next() {
  std::optional<std::unique_ptr<AppendLines>> lines = ready_.take();
  if (lines) return std::move(*lines);
  KHIPU_TRY(std::move(read_));
  return std::unique_ptr<AppendLines>();
}

}  // namespace khipu::cli
