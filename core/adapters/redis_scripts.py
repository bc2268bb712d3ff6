"""Lua that makes one step of the live view or of a lease atomic: a repeated call changes nothing.

`rank` orders a dataset's states, `member` is its place in the indexes; the other fields are those
of redis_records.py.
"""

# KEYS: dataset, index. ARGV: rank, state, time, error JSON or "", JSON of counters or "", event
# JSON, events kept. Returns 1 when the dataset moved forward, 0 when it is unknown or would not.
SET_STATE = """
local dataset, index = KEYS[1], KEYS[2]
local known = redis.call('HMGET', dataset, 'rank', 'state', 'member')
if not known[1] or tonumber(ARGV[1]) <= tonumber(known[1]) then return 0 end
redis.call('HSET', dataset, 'rank', ARGV[1], 'state', ARGV[2], 'ts:' .. ARGV[2], ARGV[3])
redis.call('ZREM', index .. ':' .. known[2], known[3])
redis.call('ZADD', index .. ':' .. ARGV[2], 0, known[3])
if ARGV[4] ~= '' then redis.call('HSET', dataset, 'error', ARGV[4]) end
if ARGV[5] ~= '' then
  for _, field in ipairs(redis.call('HKEYS', dataset)) do
    local kind = string.match(field, '^%a+:')
    if kind == 'rejected:' or kind == 'attribute:' then redis.call('HDEL', dataset, field) end
  end
  for field, value in pairs(cjson.decode(ARGV[5])) do redis.call('HSET', dataset, field, value) end
end
redis.call('XADD', dataset .. ':events', 'MAXLEN', '=', ARGV[7], '*',
  'kind', 'state', 'data', ARGV[6])
return 1
"""

# KEYS: dataset. ARGV: rank of the end, shard, JSON of increments by field, event JSON, events kept.
# Returns 1 when the shard was counted, 0 when it had been, or the dataset is unknown or at its end.
ADD_SHARD = """
local dataset = KEYS[1]
local rank = redis.call('HGET', dataset, 'rank')
if not rank or tonumber(rank) >= tonumber(ARGV[1]) then return 0 end
if redis.call('SETBIT', dataset .. ':done', ARGV[2], 1) == 1 then return 0 end
for field, value in pairs(cjson.decode(ARGV[3])) do redis.call('HINCRBY', dataset, field, value) end
local counts = redis.call('HMGET', dataset, 'accepted', 'shards_done')
redis.call('XADD', dataset .. ':events', 'MAXLEN', '=', ARGV[5], '*',
  'kind', 'shard', 'data', ARGV[4],
  'accepted', counts[1], 'shards_done', counts[2])
return 1
"""

# KEYS: dataset. ARGV: field, value. Sets the field of a known dataset only.
SET_FIELD = """
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
"""

# KEYS: dataset. ARGV: shard. Clears the bit of a known dataset only.
FORGET_SHARD = """
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('SETBIT', KEYS[1] .. ':done', ARGV[1], 0) end
"""

# KEYS: dataset. ARGV: shard, seconds. Returns 1 when no message was noted for the shard of a known
# dataset.
RING_MARK = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('HSETNX', KEYS[1] .. ':rings', ARGV[1], ARGV[2])
"""

# KEYS: dataset. ARGV: first shard, limit. Returns shards below shards_total whose bit is clear,
# ascending.
UNDONE = """
local total = tonumber(redis.call('HGET', KEYS[1], 'shards_total') or '0')
local done, found, position = KEYS[1] .. ':done', {}, tonumber(ARGV[1])
local bits = 8 * redis.call('STRLEN', done)
while #found < tonumber(ARGV[2]) do
  if position < bits then
    local clear = redis.call('BITPOS', done, 0, position, -1, 'BIT')
    position = clear >= 0 and clear or bits
  end
  if position >= total then break end
  found[#found + 1] = position
  position = position + 1
end
return found
"""

# Redis' own clock may be set back, and then what expires would live on for that long: whatever has
# more time left than it was ever given gets what it was given. A lease's value is "TOKEN MILLIS".
CLAMP = """
local function clamp(key, millis)
  if millis and redis.call('PTTL', key) > tonumber(millis) then
    redis.call('PEXPIRE', key, millis)
  end
end
local function holder_of(key)
  local token, millis = string.match(redis.call('GET', key) or '', '^(%S+) (%d+)$')
  clamp(key, millis)
  return token
end
"""

# KEYS: lease. ARGV: token, milliseconds. Returns 1 when the token holds the lease now.
HOLD = (
    CLAMP
    + """
local holder = holder_of(KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[2])
return 1
"""
)

# KEYS: leases. Returns 1 for each that is held, else 0.
HELD = (
    CLAMP
    + """
local held = {}
for number, key in ipairs(KEYS) do held[number] = holder_of(key) and 1 or 0 end
return held
"""
)

# KEYS: lease. ARGV: token.
RELEASE = (
    CLAMP
    + """
if holder_of(KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""
)

# KEYS: timer. ARGV: milliseconds. Returns 1 once in that time.
ONCE_EVERY = (
    CLAMP
    + """
clamp(KEYS[1], ARGV[1])
return redis.call('SET', KEYS[1], 1, 'NX', 'PX', ARGV[1]) and 1 or 0
"""
)

# KEYS: counter. ARGV: milliseconds. Returns the tries begun since the first of the window.
BEGIN_TRY = (
    CLAMP
    + """
clamp(KEYS[1], ARGV[1])
local number = redis.call('INCR', KEYS[1])
if number == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return number
"""
)

# KEYS: counter. A try whose window is over has nothing to take back; a counter at 0 goes.
END_TRY = """
if redis.call('EXISTS', KEYS[1]) == 1 and redis.call('DECR', KEYS[1]) <= 0 then
  redis.call('DEL', KEYS[1])
end
"""

# KEYS: bucket. ARGV: size, milliseconds in which that many tokens come, tokens to take (below 0:
# to give back). Returns whether they were taken, and how many are left. A clock that was set back
# gives nothing, and takes nothing away.
BEGIN_ORDER = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local found = {}
for number, key in ipairs(KEYS) do
  local kept_ms = tonumber(ARGV[number + 1])
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - kept_ms * 1000)
  found[number] = redis.call('ZRANGE', key, 0, -1)
  local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
  redis.call('ZADD', key, math.max(now, (tonumber(last) or 0) + 1), ARGV[1])
  redis.call('PEXPIRE', key, kept_ms)
end
return found
"""

TAKE = """
local size, window, amount = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('HMGET', KEYS[1], 'spent', 'at')
local spent, at = tonumber(known[1] or 0), tonumber(known[2] or now)
spent = math.min(size, math.max(0, spent - math.max(0, now - at) * size / window))
local granted = spent + amount <= size
if granted then spent = math.max(0, spent + amount) end
redis.call('HSET', KEYS[1], 'spent', string.format('%.6f', spent), 'at', now)
redis.call('PEXPIRE', KEYS[1], window)
return {granted and 1 or 0, string.format('%.6f', size - spent)}
"""
