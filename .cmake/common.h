// The precompiled header of every room under KHIPU_PCH (dev and tsan presets): the standard headers most files include.
// A file still includes what it uses: the release build has no precompiled headers and would not compile otherwise.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>
