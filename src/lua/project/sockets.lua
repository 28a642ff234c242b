function()
  -- The ids of sockets, of one phase: what records say is planned first, which only reads; then it counts, and is written together.
  local tag = sub(RECORDS, 1, -8)
  local by_slot, all = {}, {}

  local function hash_of(slot)
    local h = by_slot[slot]
    if not h then
      h = { key = tag .. 'sockets:' .. slot, was = {}, is = {}, ids = {} }
      h.size = try('HLEN', h.key)
      if type(h.size) ~= 'number' then error('PRESENCE_TYPE ' .. h.key .. ': holds another type', 0) end
      by_slot[slot], all[#all + 1] = h, h
    end
    return h
  end

  local function read(h, open, gone)
    local ask, asked = {}, {}
    local function want(id)
      if h.is[id] == nil and not asked[id] then asked[id], ask[#ask + 1] = true, id end
    end
    for i = 1, #open do want(open[i][1]) end
    for i = 1, #gone do want(gone[i]) end
    for first = 1, #ask, VALUES_MAX do
      local last = math.min(#ask, first + VALUES_MAX - 1)
      local found = call('HMGET', h.key, unpack(ask, first, last))
      for i = first, last do
        local id = ask[i]
        h.was[id], h.is[id], h.ids[#h.ids + 1] = found[i - first + 1], found[i - first + 1], id
      end
    end
  end

  -- What a record of the process with this slot comes to; nil if it then has another number of sockets than `declared`, which is returned second.
  local function plan(slot, open, gone, declared)
    local h = hash_of(slot)
    read(h, open, gone)
    local after, size = {}, h.size
    local function put_in(id, value)
      local before = after[id]
      if before == nil then before = h.is[id] end
      size = size + (value and 1 or 0) - (before and 1 or 0)
      after[id] = value
    end
    for i = 1, #open do put_in(open[i][1], encode({ unpack(open[i], 2) })) end
    for i = 1, #gone do put_in(gone[i], false) end
    if size ~= declared then return nil, size end
    return { h = h, after = after, size = size }
  end

  local function carry_out(planned)
    local h = planned.h
    for id, value in pairs(planned.after) do h.is[id] = value end
    h.size = planned.size
  end

  local function in_chunks(command, key, values)
    for first = 1, #values, VALUES_MAX do
      call(command, key, unpack(values, first, math.min(#values, first + VALUES_MAX - 1)))
    end
  end

  local function write()
    -- From then on what is left of a process has to be removed with it.
    t.lingering = t.lingering or 0
    for i = 1, #all do
      local h, set, out = all[i], {}, {}
      for j = 1, #h.ids do
        local id = h.ids[j]
        local value = h.is[id]
        if value ~= h.was[id] then
          if value then set[#set + 1], set[#set + 2] = id, value else out[#out + 1] = id end
        end
      end
      in_chunks('HSET', h.key, set)
      in_chunks('HDEL', h.key, out)
    end
  end

  return { plan = plan, carry_out = carry_out, write = write }
end
