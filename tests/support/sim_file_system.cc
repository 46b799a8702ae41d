#include "tests/support/sim_file_system.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sisyphus::testing {

using Kind = FileOperation::Kind;

// One handle for writing.
class SimFileSystem::File final : public WritableFile {
 public:
  File(SimFileSystem* fs, std::string path, std::shared_ptr<SimInode> inode, uint64_t offset,
       uint64_t epoch)
      : fs_(fs), path_(std::move(path)), inode_(std::move(inode)), size_(offset), epoch_(epoch) {}

  Status Append(std::string_view data) override {
    fs_->Observe({Kind::kAppend, path_, data.size()});
    MutexLock lock(fs_->mu_);
    SIS_RETURN_IF_ERROR(broken_);
    if (Status status = fs_->Admit({Kind::kAppend, path_, data.size()}, epoch_); !status.ok()) {
      if (!fs_->halted_ && epoch_ == fs_->epoch_) Write(data.substr(0, data.size() / 2));
      return status;
    }
    const uint64_t end = size_ + data.size();
    const uint64_t held = inode_->content().size();
    const uint64_t room = fs_->FreeBytes() + (held > size_ ? held - size_ : 0);
    if (end > held && data.size() > room) {
      Write(data.substr(0, room));
      return ErrnoStatus(ENOSPC, "write " + path_);
    }
    Write(data);
    return OkStatus();
  }

  Status Preallocate(uint64_t size_bytes) override {
    fs_->Observe({Kind::kPreallocate, path_, size_bytes});
    MutexLock lock(fs_->mu_);
    SIS_RETURN_IF_ERROR(broken_);
    SIS_RETURN_IF_ERROR(fs_->Admit({Kind::kPreallocate, path_, size_bytes}, epoch_));
    const uint64_t held = inode_->content().size();
    if (size_bytes > held && size_bytes - held > fs_->FreeBytes()) {
      return ErrnoStatus(ENOSPC, "fallocate " + path_);
    }
    inode_->Preallocate(size_bytes);
    return OkStatus();
  }

  Status Truncate(uint64_t size_bytes) override {
    fs_->Observe({Kind::kTruncate, path_, size_bytes});
    MutexLock lock(fs_->mu_);
    SIS_RETURN_IF_ERROR(broken_);
    SIS_RETURN_IF_ERROR(fs_->Admit({Kind::kTruncate, path_, size_bytes}, epoch_));
    inode_->Truncate(size_bytes);
    size_ = size_bytes;
    return OkStatus();
  }

  Status Sync() override {
    fs_->Observe({Kind::kSync, path_});
    MutexLock lock(fs_->mu_);
    SIS_RETURN_IF_ERROR(broken_);
    broken_ = fs_->Admit({Kind::kSync, path_}, epoch_);
    if (broken_.ok()) inode_->Sync();
    return broken_;
  }

  Status Close() override { return OkStatus(); }

  uint64_t size() const override { return size_; }

 private:
  void Write(std::string_view data) {
    inode_->Write(size_, data);
    size_ += data.size();
  }

  SimFileSystem* const fs_;
  const std::string path_;
  const std::shared_ptr<SimInode> inode_;
  uint64_t size_;
  const uint64_t epoch_;
  Status broken_;  // Of the Sync that failed.
};

class SimFileSystem::ReadFile final : public RandomAccessFile {
 public:
  ReadFile(SimFileSystem* fs, std::string path, std::shared_ptr<SimInode> inode, uint64_t epoch)
      : fs_(fs),
        path_(std::move(path)),
        inode_(std::move(inode)),
        size_(inode_->content().size()),
        epoch_(epoch) {}

  StatusOr<std::string_view> ReadAt(uint64_t offset, size_t n, char* scratch) const override {
    fs_->Observe({Kind::kRead, path_, n});
    MutexLock lock(fs_->mu_);
    SIS_RETURN_IF_ERROR(fs_->Admit({Kind::kRead, path_, n}, epoch_));
    const SimContent& content = inode_->content();
    if (offset >= content.size()) return std::string_view(scratch, 0);
    n = std::min<uint64_t>(n, content.size() - offset);
    size_t copied = 0;
    if (offset < content.bytes.size()) {
      copied = std::min<uint64_t>(n, content.bytes.size() - offset);
      std::memcpy(scratch, content.bytes.data() + offset, copied);
    }
    std::memset(scratch + copied, 0, n - copied);
    return std::string_view(scratch, n);
  }

  uint64_t size() const override { return size_; }

 private:
  SimFileSystem* const fs_;
  const std::string path_;
  const std::shared_ptr<SimInode> inode_;
  const uint64_t size_;
  const uint64_t epoch_;
};

class SimFileSystem::HeldLock final : public FileLock {
 public:
  HeldLock(SimFileSystem* fs, std::shared_ptr<SimInode> inode, uint64_t epoch)
      : fs_(fs), inode_(std::move(inode)), epoch_(epoch) {}
  ~HeldLock() override {
    MutexLock lock(fs_->mu_);
    if (epoch_ == fs_->epoch_) std::erase(fs_->locked_, inode_);
  }

 private:
  SimFileSystem* const fs_;
  const std::shared_ptr<SimInode> inode_;
  const uint64_t epoch_;
};

SimFileSystem::SimFileSystem() : SimFileSystem(std::make_unique<SimDisk>()) {}
SimFileSystem::SimFileSystem(std::unique_ptr<SimDisk> disk) : disk_(std::move(disk)) {}
SimFileSystem::~SimFileSystem() = default;

std::unique_ptr<SimFileSystem> SimFileSystem::CrashClone(Rng& rng) {
  MutexLock lock(mu_);
  std::unique_ptr<SimFileSystem> clone(new SimFileSystem(disk_->DrawCrash(rng)));
  clone->capacity_ = capacity_;
  return clone;
}

void SimFileSystem::Halt() {
  MutexLock lock(mu_);
  halted_ = true;
  ++epoch_;
  locked_.clear();
}

void SimFileSystem::Revive() {
  MutexLock lock(mu_);
  halted_ = false;
}

void SimFileSystem::AddFault(Fault fault) {
  MutexLock lock(mu_);
  faults_.push_back(std::move(fault));
}

void SimFileSystem::ClearFaults() {
  MutexLock lock(mu_);
  faults_.clear();
}

void SimFileSystem::SetCapacity(uint64_t bytes) {
  MutexLock lock(mu_);
  capacity_ = bytes;
}

uint64_t SimFileSystem::used_bytes() {
  MutexLock lock(mu_);
  return disk_->used_bytes();
}

void SimFileSystem::SetObserver(std::function<void(const FileOperation&)> observer) {
  observer_ = std::move(observer);
}

uint64_t SimFileSystem::mutations() {
  MutexLock lock(mu_);
  return mutations_;
}

Status SimFileSystem::FlipBit(const std::string& path, uint64_t offset, unsigned bit) {
  MutexLock lock(mu_);
  SIS_ASSIGN_OR_RETURN(const Place place, FindExisting("flip a bit of", path));
  if (place.inode->is_directory || offset >= place.inode->content().size()) {
    return MakeStatus(StatusCode::kInvalidArgument, "flip a bit of " + path + ": no such byte");
  }
  place.inode->FlipBit(offset, bit);
  return OkStatus();
}

void SimFileSystem::Observe(const FileOperation& operation) {
  if (observer_) observer_(operation);
}

// Whether the operation may take place at all: its process lives, and no fault is due.
Status SimFileSystem::Admit(const FileOperation& operation, uint64_t epoch) {
  if (halted_ || epoch != epoch_) {
    return MakeStatus(StatusCode::kInternal,
                      std::string(operation.path) + ": the simulated process is dead");
  }
  if (operation.mutates()) ++mutations_;
  Status failure;
  for (Fault& fault : faults_) {
    const bool fits = fault.only ? *fault.only == operation.kind : operation.mutates();
    if (!fits || fault.countdown == 0 || --fault.countdown > 0) continue;
    if (fault.lasting) fault.countdown = 1;
    failure = WithContext(fault.status, std::string(operation.path));
  }
  return failure;
}

uint64_t SimFileSystem::FreeBytes() {
  const uint64_t used = disk_->used_bytes();
  return used < capacity_ ? capacity_ - used : 0;
}

StatusOr<SimFileSystem::Place> SimFileSystem::Find(const std::string& operation,
                                                   const std::string& path) {
  Place place{nullptr, "", disk_->root()};
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    std::string name = path.substr(begin, end - begin);
    begin = end + 1;
    if (name.empty() || name == ".") continue;
    if (place.inode == nullptr) return ErrnoStatus(ENOENT, operation + " " + path);
    if (!place.inode->is_directory) return ErrnoStatus(ENOTDIR, operation + " " + path);
    const auto found = place.inode->entries.find(name);
    std::shared_ptr<SimInode> next = found == place.inode->entries.end() ? nullptr : found->second;
    place = Place{std::move(place.inode), std::move(name), std::move(next)};
  }
  return place;
}

StatusOr<SimFileSystem::Place> SimFileSystem::FindExisting(const std::string& operation,
                                                           const std::string& path) {
  SIS_ASSIGN_OR_RETURN(Place place, Find(operation, path));
  if (place.inode == nullptr) return ErrnoStatus(ENOENT, operation + " " + path);
  return place;
}

StatusOr<std::unique_ptr<WritableFile>> SimFileSystem::NewWritableFile(const std::string& path) {
  Observe({Kind::kCreate, path});
  MutexLock lock(mu_);
  SIS_RETURN_IF_ERROR(Admit({Kind::kCreate, path}, epoch_));
  SIS_ASSIGN_OR_RETURN(const Place place, Find("open", path));
  // A replaced file is unlinked, as the real one is: other names of it keep their bytes.
  if (place.inode != nullptr) {
    if (place.inode->is_directory) return ErrnoStatus(EISDIR, "open " + path);
    disk_->Apply({{place.directory, place.name, nullptr}});
  }
  const std::shared_ptr<SimInode> inode = disk_->NewInode(false);
  disk_->Apply({{place.directory, place.name, inode}});
  return std::make_unique<File>(this, path, inode, 0, epoch_);
}

StatusOr<std::unique_ptr<WritableFile>> SimFileSystem::OpenForAppend(const std::string& path,
                                                                     uint64_t offset) {
  Observe({Kind::kOpenForAppend, path});
  MutexLock lock(mu_);
  SIS_RETURN_IF_ERROR(Admit({Kind::kOpenForAppend, path}, epoch_));
  SIS_ASSIGN_OR_RETURN(const Place place, FindExisting("open", path));
  if (place.inode->is_directory) return ErrnoStatus(EISDIR, "open " + path);
  if (place.inode->content().size() != offset) place.inode->Truncate(offset);
  return std::make_unique<File>(this, path, place.inode, offset, epoch_);
}

StatusOr<std::unique_ptr<RandomAccessFile>> SimFileSystem::OpenForRead(const std::string& path) {
  Observe({Kind::kOpenForRead, path});
  MutexLock lock(mu_);
  SIS_RETURN_IF_ERROR(Admit({Kind::kOpenForRead, path}, epoch_));
  SIS_ASSIGN_OR_RETURN(const Place place, FindExisting("open", path));
  if (place.inode->is_directory) return ErrnoStatus(EISDIR, "open " + path);
  return std::make_unique<ReadFile>(this, path, place.inode, epoch_);
}

Status SimFileSystem::CreateDirectory(const std::string& path) {
  Observe({Kind::kCreateDirectory, path});
  MutexLock lock(mu_);
  SIS_RETURN_IF_ERROR(Admit({Kind::kCreateDirectory, path}, epoch_));
  SIS_ASSIGN_OR_RETURN(const Place place, Find("create directory", path));
  if (place.inode != nullptr) {
    if (place.inode->is_directory) return OkStatus();
    return ErrnoStatus(EEXIST, "create directory " + path);
  }
  disk_->Apply({{place.directory, place.name, disk_->NewInode(true)}});
  return OkStatus();
}

Status SimFileSystem::SyncDirectory(const std::string& path) {
  Observe({Kind::kSyncDirectory, path});
  MutexLock lock(mu_);
  SIS_RETURN_IF_ERROR(Admit({Kind::kSyncDirectory, path}, epoch_));
  SIS_ASSIGN_OR_RETURN(const Place place, FindExisting("open", path));
  if (!place.inode->is_directory) return ErrnoStatus(ENOTDIR, "open " + path);
  disk_->SyncDirectory(place.inode.get());
  return OkStatus();
}

StatusOr<std::vector<std::string>> SimFileSystem::List(const std::string& path) {
  Observe({Kind::kInspect, path});
  MutexLock lock(mu_);
  SIS_RETURN_IF_ERROR(Admit({Kind::kInspect, path}, epoch_));
  SIS_ASSIGN_OR_RETURN(const Place place, FindExisting("list", path));
  if (!place.inode->is_directory) return ErrnoStatus(ENOTDIR, "list " + path);
  std::vector<std::string> names;
  for (const auto& [name, inode] : place.inode->entries) names.push_back(name);
  return names;
}

Status SimFileSystem::Delete(const std::string& path) {
  Observe({Kind::kDelete, path});
  MutexLock lock(mu_);
  SIS_RETURN_IF_ERROR(Admit({Kind::kDelete, path}, epoch_));
  SIS_ASSIGN_OR_RETURN(const Place place, FindExisting("delete", path));
  if (place.directory == nullptr) return ErrnoStatus(EBUSY, "delete " + path);
  if (!place.inode->entries.empty()) return ErrnoStatus(ENOTEMPTY, "delete " + path);
  disk_->Apply({{place.directory, place.name, nullptr}});
  return OkStatus();
}

Status SimFileSystem::Rename(const std::string& from, const std::string& to) {
  Observe({Kind::kRename, from});
  MutexLock lock(mu_);
  SIS_RETURN_IF_ERROR(Admit({Kind::kRename, from}, epoch_));
  const std::string operation = "rename " + from + " to";
  SIS_ASSIGN_OR_RETURN(const Place source, FindExisting("rename", from));
  SIS_ASSIGN_OR_RETURN(const Place target, Find(operation, to));
  if (source.inode == target.inode) return OkStatus();
  if (source.directory == nullptr || target.directory == nullptr) {
    return ErrnoStatus(EBUSY, operation + " " + to);
  }
  if (target.inode != nullptr) {
    if (target.inode->is_directory && !source.inode->is_directory) {
      return ErrnoStatus(EISDIR, operation + " " + to);
    }
    if (source.inode->is_directory && !target.inode->is_directory) {
      return ErrnoStatus(ENOTDIR, operation + " " + to);
    }
    if (!target.inode->entries.empty()) return ErrnoStatus(ENOTEMPTY, operation + " " + to);
  }
  disk_->Apply(
      {{source.directory, source.name, nullptr}, {target.directory, target.name, source.inode}});
  return OkStatus();
}

Status SimFileSystem::Link(const std::string& from, const std::string& to) {
  Observe({Kind::kLink, to});
  MutexLock lock(mu_);
  SIS_RETURN_IF_ERROR(Admit({Kind::kLink, to}, epoch_));
  const std::string operation = "link " + from + " to";
  SIS_ASSIGN_OR_RETURN(const Place source, FindExisting("link", from));
  SIS_ASSIGN_OR_RETURN(const Place target, Find(operation, to));
  if (source.inode->is_directory) return ErrnoStatus(EPERM, operation + " " + to);
  if (target.inode != nullptr) return ErrnoStatus(EEXIST, operation + " " + to);
  disk_->Apply({{target.directory, target.name, source.inode}});
  return OkStatus();
}

StatusOr<bool> SimFileSystem::Exists(const std::string& path) {
  Observe({Kind::kInspect, path});
  MutexLock lock(mu_);
  SIS_RETURN_IF_ERROR(Admit({Kind::kInspect, path}, epoch_));
  const StatusOr<Place> place = Find("stat", path);
  return place.ok() && place->inode != nullptr;
}

StatusOr<uint64_t> SimFileSystem::FileSize(const std::string& path) {
  Observe({Kind::kInspect, path});
  MutexLock lock(mu_);
  SIS_RETURN_IF_ERROR(Admit({Kind::kInspect, path}, epoch_));
  SIS_ASSIGN_OR_RETURN(const Place place, FindExisting("stat", path));
  return place.inode->content().size();
}

StatusOr<uint64_t> SimFileSystem::FreeSpace(const std::string& path) {
  Observe({Kind::kInspect, path});
  MutexLock lock(mu_);
  SIS_RETURN_IF_ERROR(Admit({Kind::kInspect, path}, epoch_));
  SIS_ASSIGN_OR_RETURN(const Place place, FindExisting("statvfs", path));
  return FreeBytes();
}

StatusOr<std::unique_ptr<FileLock>> SimFileSystem::Lock(const std::string& path) {
  Observe({Kind::kLock, path});
  MutexLock lock(mu_);
  SIS_RETURN_IF_ERROR(Admit({Kind::kLock, path}, epoch_));
  SIS_ASSIGN_OR_RETURN(Place place, Find("open", path));
  if (place.inode == nullptr) {
    place.inode = disk_->NewInode(false);
    disk_->Apply({{place.directory, place.name, place.inode}});
  }
  if (std::find(locked_.begin(), locked_.end(), place.inode) != locked_.end()) {
    return MakeStatus(StatusCode::kFailedPrecondition,
                      "lock " + path + ": a running process holds it");
  }
  locked_.push_back(place.inode);
  return std::make_unique<HeldLock>(this, place.inode, epoch_);
}

}  // namespace sisyphus::testing
