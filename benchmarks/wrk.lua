-- Posts alerts: `wrk -s wrk.lua URL -- FORM KIND SIZE TOKEN START RUN`.
-- FORM is `webhook` (what Alertmanager sends) or `list` (what it is sent); KIND is `repeat` or `new`.
local form, kind, size, token, start, run
local bodies, sent = {}, 0
local DISTINCT = 20 -- bodies that are repeated in turn

local function alert(number)
  local labels = string.format(
    '"labels":{"alertname":"Benchmark","service":"checkout","instance":"host-%s-%d:9100","severity":"info"},'
      .. '"annotations":{"summary":"measured, not meant"},"startsAt":"%s","generatorURL":"http://prometheus/graph"',
    run, number, start)
  if form == "list" then
    return "{" .. labels .. "}"
  end
  return string.format(
    '{"status":"firing",%s,"endsAt":"0001-01-01T00:00:00Z","fingerprint":"%s%010x"}', labels, run, number)
end

local function body(first)
  local alerts = {}
  for number = first, first + size - 1 do
    alerts[#alerts + 1] = alert(number)
  end
  local list = "[" .. table.concat(alerts, ",") .. "]"
  if form == "list" then
    return list
  end
  return '{"version":"4","groupKey":"{}:{alertname=\\"Benchmark\\"}","truncatedAlerts":0,"status":"firing",'
    .. '"receiver":"devops-agent","groupLabels":{"alertname":"Benchmark"},"commonLabels":{},"commonAnnotations":{},'
    .. '"externalURL":"http://alertmanager","alerts":' .. list .. "}"
end

function init(args)
  form, kind, size, token, start, run = args[1], args[2], tonumber(args[3]), args[4], args[5], args[6]
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Authorization"] = "Bearer " .. token
  for number = 0, DISTINCT - 1 do
    bodies[number] = body(number * size)
  end
end

function request()
  sent = sent + 1
  local text = kind == "new" and body((DISTINCT + sent) * size) or bodies[sent % DISTINCT]
  return wrk.format("POST", nil, nil, text)
end

function done(summary, latency)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format('{"requests":%d,"failed":%d,"seconds":%.6f,"p50":%.3f,"p99":%.3f}\n',
    summary.requests, failed, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
