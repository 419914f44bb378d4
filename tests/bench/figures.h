// What a benchmark says, in one form for all: a table, or with --json one object. Peak resident memory and the
// machine's load (of one minute, when it began and when it ended) stand in both: a figure without them says little.
#pragma once

#include <sys/resource.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace khipu::bench {

inline double load() {
  double average = 0;
  return getloadavg(&average, 1) == 1 ? average : 0;
}

// Of this process, and of the largest one among those it has waited for.
inline long peak_rss_kib() {
  rusage own{}, children{};
  getrusage(RUSAGE_SELF, &own);
  getrusage(RUSAGE_CHILDREN, &children);
  return std::max(own.ru_maxrss, children.ru_maxrss);
}

// Takes a flag out of the words of the command line; what is left is the program's own business.
inline bool take_flag(int& count, char** words, std::string_view flag) {
  for (int i = 1; i < count; ++i) {
    if (words[i] != flag) continue;
    for (int k = i; k + 1 < count; ++k) words[k] = words[k + 1];
    --count;
    return true;
  }
  return false;
}

// Owner: main().
class Figures {
 public:
  Figures(std::string name, bool json) : name_(std::move(name)), json_(json), load_(load()) {}

  struct Row {
    // `unit` is the JSON member's name and says what is counted: "events_per_s", "p50_us", "rss_kib".
    Row& add(std::string unit, double value) {
      figures.emplace_back(std::move(unit), value);
      return *this;
    }
    std::string name;
    std::vector<std::pair<std::string, double>> figures;
  };
  Row& row(std::string name) { return rows_.emplace_back(Row{std::move(name), {}}); }  // until the next row()

  void print() const {
    if (json_) {
      std::printf(
          "{\"schema\":\"khipu.bench.%s/v1\",\"load_before\":%.2f,\"load_after\":%.2f,\"peak_rss_kib\":%ld,"
          "\"rows\":[",
          name_.c_str(), load_, load(), peak_rss_kib());
      for (const Row& row : rows_) {
        std::printf("%s{\"name\":\"%s\"", &row == &rows_.front() ? "" : ",", row.name.c_str());
        for (const auto& [unit, value] : row.figures) std::printf(",\"%s\":%s", unit.c_str(), number(value).c_str());
        std::fputs("}", stdout);
      }
      std::puts("]}");
      return;
    }
    for (const Row& row : rows_) {
      std::printf("%-52s", row.name.c_str());
      for (const auto& [unit, value] : row.figures) std::printf(" %12s %s", number(value).c_str(), unit.c_str());
      std::puts("");
    }
    std::printf("load %.2f before, %.2f after; peak resident %.1f MiB\n", load_, load(),
                static_cast<double>(peak_rss_kib()) / 1024);
  }

 private:
  // Four digits that mean something, no exponent.
  static std::string number(double value) {
    char text[64];
    const double size = std::abs(value);
    std::snprintf(text, sizeof text, "%.*f",
                  size >= 1000 || value == std::floor(value) ? 0
                  : size >= 10                               ? 1
                                                             : 3,
                  value);
    return text;
  }

  const std::string name_;
  const bool json_;
  const double load_;
  std::vector<Row> rows_;
};

}  // namespace khipu::bench
