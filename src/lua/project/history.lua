function()
  -- What a call adds to the history (docs/protocol.md, "History"): the changes it counted, the minute it is in, and the minute, hour and
  -- day that have ended since; who was here today; and the same numbers of the scopes that the caller names. Returns fields of totals to
  -- write, or nil. Nothing here may make a call fail: `try`.
  local tag, said, fields = sub(RECORDS, 1, -8), t.history, {}

  -- The changes of this call, by cause: in the order of CAUSES after `connect`.
  local did = t.did
  if t.last then
    did = {}
    local kinds = { false, 'disconnect', 'leave', 'bye' }
    for i = 1, #(t.gone or {}) do
      local cause = kinds[t.last[t.gone[i]]]
      did[cause] = (did[cause] or 0) + 1
    end
  end
  local comes, goes = t.came and #t.came or 0, t.gone and #t.gone or 0
  if comes + goes > 0 then
    -- Mostly somebody came, which is the first number: the others stay text.
    local connects, rest = match(said[4] or '', '^(%d+)( .+)$')
    if goes > 0 or not connects then
      local sums, i, causes = {}, 0, CAUSES
      for number in string.gmatch(said[4] or '', '%d+') do
        i = i + 1
        sums[i] = number
      end
      for j = 1, #causes do
        local more = did and did[causes[j]]
        if more then sums[j + 1] = format('%.0f', tonumber(sums[j + 1] or 0) + more)
        elseif not sums[j + 1] then sums[j + 1] = '0' end
      end
      connects, rest = sums[1] or '0', ' ' .. table.concat(sums, ' ', 2)
    end
    if comes > 0 then connects = format('%.0f', tonumber(connects) + comes) end
    fields[1], fields[2] = 'counted', connects .. rest
  end

  -- The minute so far: its start, when a call last wrote it, then last, least and most of users and of sockets.
  local start, at, u, u_min, u_max, s, s_min, s_max = match(said[1] or '', '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
  local minute, m = now - now % MINUTE_MS, tonumber(start or -1)
  -- A clock that goes back a little: the minute goes on until it has caught up. One that was wrong: what it said is dropped.
  if m > minute then
    if m - minute <= HISTORY_BACK_MS then minute = m else m = -1 end
  end
  local day = minute - minute % DAY_MS
  local users_before, sockets_before = tonumber(t[3] or 0), tonumber(t[4] or 0)
  local begins = m < 0 or minute > m

  -- While the minute goes on, what does not change stays text: numbers are made and written at some cost.
  if m >= 0 and begins then
    u, u_min, u_max, s, s_min, s_max = tonumber(u), tonumber(u_min), tonumber(u_max), tonumber(s), tonumber(s_min), tonumber(s_max)
  end
  -- The scopes that the caller names: up to which minute they are known, when a call last wrote them, and their scores then.
  local named = match(ARGV[9], ' history (%[.*)$')
  local kept = named and call('HMGET', TOTALS, 'watched', 'watching')
  local w_start, w_at, w_scores = match(kept and kept[1] or '', '^(%d+) (%d+) (.*)$')
  local w = tonumber(w_start or -1)
  if w > minute then w = -1 end

  local through_of, append, roll_up
  if m >= 0 and begins or w >= 0 and minute > w then
    -- Up to which minute nothing changed, for a projector that ran: nothing was due, no record waited, and nobody folded without a history.
    -- m: the minute that has ended; at: when it was last written.
    function through_of(m, at)
      if tonumber(at) ~= ran then return m end
      local through, waits = minute - MINUTE_MS, tonumber(t[10] or -1)
      local head = entries and entries[1] and tonumber(match(entries[1][1], '^%d+'))
      if head and (waits < 0 or head < waits) then waits = head end
      if waits >= 0 then
        local late = waits + HISTORY_LATE_MS
        through = math.min(through, late - late % MINUTE_MS - MINUTE_MS)
      end
      return math.max(through, m)
    end

    -- id: the start, so that a period that is there stays as it is. scope: '', or with a colon before it.
    function append(name, scope, keep, period, from, last, u, u_low, u_high, s, s_low, s_high)
      local key, oldest = tag .. name .. scope, from > keep and from - keep or 0
      local values = { 'users', format('%.0f %.0f %.0f', u, u_low, u_high), 'sockets', format('%.0f %.0f %.0f', s, s_low, s_high) }
      if last > from then values[5], values[6] = 'until', format('%.0f', last) end
      local function add()
        local reply = try('XADD', key, 'MINID', '~', format('%.0f', oldest), format('%.0f-0', from), unpack(values))
        -- Of a scope that nobody names any more nothing else would remove it.
        if scope ~= '' then try('PEXPIRE', key, format('%.0f', keep)) end
        return reply
      end
      local reply = add()
      if type(reply) ~= 'table' or not reply.err or not find(reply.err, 'equal or smaller', 1, true) then return end
      -- Something of a clock that was ahead would stop all appending: the stream is made anew, with the latest before it.
      local limit = format('%.0f', now + HISTORY_BACK_MS)
      local ahead = try('XRANGE', key, limit, '+', 'COUNT', 1)
      if not ahead[1] then return end
      local kept = try('XRANGE', key, format('%.0f', math.max(0, from - HISTORY_REMADE * period)), '(' .. limit, 'COUNT', 2 * HISTORY_REMADE)
      try('DEL', key)
      for i = 1, #kept do try('XADD', key, kept[i][1], unpack(kept[i][2])) end
      add()
    end

    -- An hour or a day: its start and the bounds of the minutes in it that have ended. Returns what is to be written.
    function roll_up(name, scope, keep, period, text, m, through, u, u_min, u_max, s, s_min, s_max)
      local own, u_low, u_high, s_low, s_high = match(text or '', '^(%d+) ?(%d*) ?(%d*) ?(%d*) ?(%d*)$')
      local from = m - m % period
      if tonumber(own or -1) ~= from or u_low == '' then u_low, u_high, s_low, s_high = u_min, u_max, s_min, s_max
      else
        u_low, u_high = math.min(u_min, tonumber(u_low)), math.max(u_max, tonumber(u_high))
        s_low, s_high = math.min(s_min, tonumber(s_low)), math.max(s_max, tonumber(s_high))
      end
      local current = minute - minute % period
      if current == from then return format('%.0f %.0f %.0f %.0f %.0f', from, u_low, u_high, s_low, s_high) end
      append(name, scope, keep, period, from, math.min(through - through % period, current - period), u, u_low, u_high, s, s_low, s_high)
      if through < current then return format('%.0f', current) end
      return format('%.0f %.0f %.0f %.0f %.0f', current, u, u, s, s)
    end
  end

  if m >= 0 and begins then
    local through = through_of(m, at)
    append('minutes', '', MINUTES_KEPT_MS, MINUTE_MS, m, through, u, u_min, u_max, s, s_min, s_max)
    local n = #fields
    fields[n + 1], fields[n + 2] = 'hour', roll_up('hours', '', HOURS_KEPT_MS, HOUR_MS, said[2], m, through, u, u_min, u_max, s, s_min, s_max)
    fields[n + 3], fields[n + 4] = 'day', roll_up('days', '', DAYS_KEPT_MS, DAY_MS, said[3], m, through, u, u_min, u_max, s, s_min, s_max)
    -- After a gap nobody knows since when the number was wrong.
    if through < minute - MINUTE_MS then m = -1
    else u_min, u_max, s_min, s_max = t[3] or '0', t[3] or '0', t[4] or '0', t[4] or '0' end
  elseif m < 0 then
    fields[#fields + 1], fields[#fields + 2] = 'hour', format('%.0f', minute - minute % HOUR_MS)
    fields[#fields + 1], fields[#fields + 2] = 'day', format('%.0f', day)
  end
  local users_text, sockets_text = format('%d', users), format('%d', sockets)
  if m < 0 then u_min, u_max, s_min, s_max = users_text, users_text, sockets_text, sockets_text
  else
    -- In the minute that goes on, what was before this call counts too: somebody else may have folded.
    local u_low, u_high, s_low, s_high = tonumber(u_min), tonumber(u_max), tonumber(s_min), tonumber(s_max)
    if users_before < u_low then u_low, u_min = users_before, t[3] or '0' end
    if users < u_low then u_min = users_text end
    if users_before > u_high then u_high, u_max = users_before, t[3] end
    if users > u_high then u_max = users_text end
    if sockets_before < s_low then s_low, s_min = sockets_before, t[4] or '0' end
    if sockets < s_low then s_min = sockets_text end
    if sockets_before > s_high then s_high, s_max = sockets_before, t[4] end
    if sockets > s_high then s_max = sockets_text end
  end

  -- Who was here today: those who came; and, from the first call of a day on, those who were here already, some a call, and who went meanwhile.
  local carried_day, cursor = match(said[5] or '', '^(%d+) (%d*)$')
  local carries = tonumber(carried_day or -1) ~= day or cursor ~= ''
  if t.came and #t.came > 0 or carries then
    -- The key of a day. The date since 1970 is days from civil, backwards: years begin in March, so that the leap day is the last one.
    local function key_of(at)
      local z = at / DAY_MS + 719468
      local era = floor(z / 146097)
      local doe = z - era * 146097
      local yoe = floor((doe - floor(doe / 1460) + floor(doe / 36524) - floor(doe / 146096)) / 365)
      local doy = doe - (365 * yoe + floor(yoe / 4) - floor(yoe / 100))
      local mp = floor((5 * doy + 2) / 153)
      local month = mp < 10 and mp + 3 or mp - 9
      local year = yoe + era * 400 + (month <= 2 and 1 or 0)
      return tag .. format('distinct:%04d%02d%02d', year, month, doy - floor((153 * mp + 2) / 5) + 1)
    end
    local key = key_of(day)
    local function add(ids)
      for first = 1, #ids, VALUES_MAX do
        try('PFADD', key, unpack(ids, first, math.min(#ids, first + VALUES_MAX - 1)))
      end
    end
    if t.came then add(t.came) end
    if carries then
      if t.gone then add(t.gone) end
      if tonumber(carried_day or -1) ~= day then
        cursor = '0'
        -- Those that are too old; of as many days, since there may have been days without a call.
        local old = {}
        for i = 1, DISTINCT_DAYS do old[i] = key_of(day - (DISTINCT_DAYS + i) * DAY_MS) end
        try('UNLINK', unpack(old))
      end
      local limit = math.max(SLICE_MAX / 10, math.min(SLICE_MAX, floor((budget - operations - records - given_back) / 2)))
      local page = call('HSCAN', USERS, cursor, 'COUNT', limit)
      local ids = {}
      for i = 1, #page[2], 2 do ids[#ids + 1] = page[2][i] end
      add(ids)
      cursor = page[1]
      if cursor == '0' then cursor = '' else more = 1 end
      fields[#fields + 1], fields[#fields + 2] = 'carried', format('%.0f %s', day, cursor)
    end
  end

  -- Where nothing else is written, nothing has changed.
  if #fields == 0 and records == 0 and not t.careful then return nil end

  -- Users and sockets of a scope are one number. While it is the same in the same minute, nothing is to be compared.
  local good, names = pcall(decode, named or '[]')
  local scores = good and type(names) == 'table' and #names > 0 and #names <= HISTORY_SCOPES and try('ZMSCORE', tag .. 'scopes', unpack(names))
  if scores and not scores.err then
    for i = 1, #names do scores[i] = scores[i] or '0' end
    local joined, same = table.concat(scores, ' '), kept[2] == named
    if w ~= minute or not same or joined ~= w_scores then
      -- The score of each when a call last wrote it, if the minute that it was in is known.
      local key, last, i = tag .. 'watched', {}, 0
      local could, before = true, names
      if not same then could, before = pcall(decode, kept[2] or '[]') end
      for score in string.gmatch(w >= 0 and could and w_scores or '', '%d+') do
        i = i + 1
        if before[i] then last[before[i]] = score end
      end
      local ask, new, writes = {}, {}, {}
      for j = 1, #names do
        if w ~= minute or not same or last[names[j]] ~= scores[j] then ask[#ask + 1], new[#new + 1] = names[j], scores[j] end
      end
      local texts, through = try('HMGET', key, unpack(ask)), w >= 0 and minute > w and through_of(w, w_at)
      for j = 1, #ask do
        local name = ask[j]
        local both, old = tonumber(new[j]), tonumber(last[name] or 0)
        local now_u, was_u = floor(both / SCOPE_UNIT), floor(old / SCOPE_UNIT)
        local now_s, was_s = both - now_u * SCOPE_UNIT, old - was_u * SCOPE_UNIT
        local u_low, u_high, s_low, s_high, hour, of_day
        if last[name] and not texts.err then
          u_low, u_high, s_low, s_high, hour, of_day = match(texts[j] or '', '^(%d+) (%d+) (%d+) (%d+),([^,]*),(.*)$')
        end
        if u_low then u_low, u_high, s_low, s_high = tonumber(u_low), tonumber(u_high), tonumber(s_low), tonumber(s_high)
        else hour, of_day = format('%.0f', minute - minute % HOUR_MS), format('%.0f', day) end
        if u_low and through then
          local scope = ':' .. name
          append('minutes', scope, MINUTES_KEPT_MS, MINUTE_MS, w, through, was_u, u_low, u_high, was_s, s_low, s_high)
          hour = roll_up('hours', scope, HOURS_KEPT_MS, HOUR_MS, hour, w, through, was_u, u_low, u_high, was_s, s_low, s_high)
          of_day = roll_up('days', scope, DAYS_KEPT_MS, DAY_MS, of_day, w, through, was_u, u_low, u_high, was_s, s_low, s_high)
          if through < minute - MINUTE_MS then u_low = nil
          else u_low, u_high, s_low, s_high = was_u, was_u, was_s, was_s end
        end
        if u_low then u_low, u_high, s_low, s_high = math.min(u_low, now_u), math.max(u_high, now_u), math.min(s_low, now_s), math.max(s_high, now_s)
        else u_low, u_high, s_low, s_high = now_u, now_u, now_s, now_s end
        writes[#writes + 1], writes[#writes + 2] = name, format('%.0f %.0f %.0f %.0f,', u_low, u_high, s_low, s_high) .. hour .. ',' .. of_day
      end
      -- Others are not named any more.
      if not same then
        try('UNLINK', key)
        fields[#fields + 1], fields[#fields + 2] = 'watching', named
      end
      try('HSET', key, unpack(writes))
    end
    fields[#fields + 1], fields[#fields + 2] = 'watched', format('%.0f %.0f ', minute, now) .. joined
  end
  fields[#fields + 1], fields[#fields + 2] = 'minute', (begins and format('%d', minute) or start) .. format(' %d ', now)
    .. users_text .. ' ' .. u_min .. ' ' .. u_max .. ' ' .. sockets_text .. ' ' .. s_min .. ' ' .. s_max
  return fields
end
