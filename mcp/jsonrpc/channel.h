// The two small interfaces between what delivers lines (mcp/transport) and what answers them (mcp/server).
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace khipu::mcp::jsonrpc {

// Where the answer to one received line goes. Called from any thread, never from two at once for the same line.
// The owner keeps it alive until it was told done(), and is not called back from within.
class Outbox {
 public:
  virtual ~Outbox() = default;
  virtual void notify(std::string line) = 0;   // a notification that belongs to the request being served
  virtual void respond(std::string line) = 0;  // a response; one line brings one, a refused batch one for each request
  virtual void done() {}                       // nothing more comes for this line, also if there was no response
};

// What a transport hands lines to. One thread calls all three.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual void receive(std::string_view line, Outbox& outbox) = 0;
  // Waits for the calls in flight; true if none is left.
  virtual bool drain(std::chrono::milliseconds wait_max) = 0;
  // Stops the calls in flight: they answer nothing from here on.
  virtual void cancel_all() = 0;
};

}  // namespace khipu::mcp::jsonrpc
