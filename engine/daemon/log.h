// One line a happening on stderr: `2026-11-21T03:00:00.000000Z info serve started socket="..."`. For people and for
// journald. Never a payload, a key, a token or a request's text: names, numbers, reasons of our own.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace khipu::daemon {

enum class Level { kInfo, kWarning, kError };

// `event` is a fixed phrase; values are quoted, with controls and quotes made visible. Any thread; one write a line.
void log(Level level, std::string_view event,
         std::initializer_list<std::pair<std::string_view, std::string>> facts = {});

}  // namespace khipu::daemon
