-- Load for wrk: `wrk ... -s kv.lua URL -- put|get|null-put|null-get`.
-- PUT walks through the keys in order, so that every one is written; GET picks them at random.
local KEYS = 10000
local VALUE = string.rep("v", 100)

local threads = 0
function setup(thread)
  threads = threads + 1
  thread:set("seed", threads)
end

function init(args)
  math.randomseed(seed)
  local put = args[1] == "put" or args[1] == "null-put"
  prepared = {}
  for i = 0, KEYS - 1 do
    local path = string.format("/v1/kv/key-%012d", i)
    if put then
      prepared[i] = wrk.format("PUT", path, {["Content-Type"] = "application/octet-stream"}, VALUE)
    else
      prepared[i] = wrk.format("GET", path)
    end
  end
  random = not put
  position = (seed * 1000) % KEYS
end

function request()
  if random then return prepared[math.random(0, KEYS - 1)] end
  position = (position + 1) % KEYS
  return prepared[position]
end

-- One line for http.sh: requests a second, p50 and p99 in microseconds, failed requests.
function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("RESULT %.0f %.0f %.0f %d\n", summary.requests / summary.duration * 1e6,
                         latency:percentile(50), latency:percentile(99), failed))
end
