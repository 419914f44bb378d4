// Word that a list or a resource has changed, from whoever knows to every client that asked for it.
#pragma once

#include <mutex>
#include <set>
#include <string>

namespace khipu::mcp::server {

struct Change {
  enum class Kind { kTools, kPrompts, kResources, kResource };
  Kind kind = Kind::kTools;
  std::string uri;  // of kResource
};

class ChangeListener {
 public:
  virtual ~ChangeListener() = default;
  virtual void changed(const Change& change) = 0;  // must not announce, listen or leave from within
};

// Thread-safe; outlives the server it is given to. Announcing costs a queue entry for each listener, never a write.
class Changes {
 public:
  // kContents: lists stay as they are for the life of the server, and only resources are updated; no listChanged is
  // declared then.
  enum class Scope { kContents, kLists };
  explicit Changes(Scope scope = Scope::kLists) : scope_(scope) {}
  bool lists_change() const { return scope_ == Scope::kLists; }

  void tools_changed() { announce({Change::Kind::kTools, ""}); }
  void prompts_changed() { announce({Change::Kind::kPrompts, ""}); }
  void resources_changed() { announce({Change::Kind::kResources, ""}); }
  void resource_updated(std::string uri) { announce({Change::Kind::kResource, std::move(uri)}); }

  void listen(ChangeListener& listener);
  void leave(ChangeListener& listener);  // not called again once this returned

 private:
  void announce(const Change& change);
  const Scope scope_;
  std::mutex mutex_;
  std::set<ChangeListener*> listeners_;  // guarded by mutex_
};

}  // namespace khipu::mcp::server
