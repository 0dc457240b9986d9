-- Makes wrk send prepared requests, one after the other and over again: wrk -s prepared.lua URL -- FILE
-- The file holds, for each request, its length in bytes on a line of its own and then its bytes.

local requests, place = {}, 0

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  for length in file:lines() do
    requests[#requests + 1] = file:read(tonumber(length))
  end
  file:close()
end

function request()
  place = place % #requests + 1
  return requests[place]
end

function done(summary, latency)
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  local form = '{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "refused": %d, "broken": %d}\n'
  io.write(form:format(summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, broken))
end
