/* iStars pages: progressive enhancement only. Every page works as plain HTML without this file. */
const $ = (s, r = document) => r.querySelector(s),
  $$ = (s, r = document) => [...r.querySelectorAll(s)],
  root = document.documentElement,
  main = $('#main'),
  clock = $('#clock');
root.classList.add('js');

/* theme: that of the system, then the user's choice; the card reads the cookie, so that no page flashes in the other one */
$('#theme')?.addEventListener('click', () => {
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme:dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
  document.cookie = `theme=${root.dataset.theme};path=/;max-age=31536000;samesite=lax`;
});
const who = $('.who');
addEventListener('click', e => who?.open && !who.contains(e.target) && (who.open = false));
addEventListener('keydown', e => {
  if (e.key !== 'Escape' || !who?.open) return;
  who.open = false;
  $('summary', who).focus();
});

/* the card's clock and zone, not the browser's; `up` is the card's time since its start, from which alarms are counted */
let wall = 0, up = 0, zone = 'Z';
const now = () => performance.now() / 1000,
  setClock = (iso, seconds) => {
    zone = iso.replace(/^.{19}(\.\d+)?/, '');
    wall = Date.parse(iso) / 1000 - now();
    if (seconds) up = seconds - now();
  },
  cardTime = () => {
    const m = /([+-])(\d\d):(\d\d)/.exec(zone),
      off = m ? (m[1] + 1) * (m[2] * 60 + +m[3]) * 60 : 0;
    return new Date((wall + now() + off) * 1000).toISOString();
  },
  /* as duration() in view.py */
  span = s => {
    s = Math.max(0, Math.floor(s));
    const m = Math.floor(s / 60), h = Math.floor(m / 60), d = Math.floor(h / 24);
    return d ? `${d} d ${h % 24} h` : h ? `${h} h ${m % 60} min` : m ? `${m} min ${s % 60} s` : `${s} s`;
  },
  put = (node, text) => node.textContent === text || (node.textContent = text),
  tick = () => {
    if (root.hasAttribute('data-stale')) return;
    const t = cardTime();
    put($('i', clock), t.slice(0, 10) + ' ');
    put($('b', clock), t.slice(11, 19));
    put(clock.lastChild, ' ' + zone);
    if (up) $$('time[data-b]').forEach(n => put(n, span(up + now() - n.dataset.b)));
    $$('time[data-w]').forEach(n => put(n, span(wall + now() - n.dataset.w)));
  };
if (clock && $('i', clock) && $('b', clock)) {
  setClock(clock.dateTime);
  setInterval(tick, 1000);
}

/* a node of the drawing shows its readings */
let picked;
const pick = id => {
  if (!document.getElementById(id)) return false;
  picked = id;
  $$('.node').forEach(n => (n.getAttribute('href') === '#' + id ? n.setAttribute('aria-current', 'true') : n.removeAttribute('aria-current')));
  $$('.detail').forEach(d => d.classList.toggle('on', d.id === id));
  return true;
};
addEventListener('click', e => {
  const id = e.target.closest?.('.node')?.getAttribute('href').slice(1);
  if (!id || !pick(id)) return;
  e.preventDefault();
  const panel = document.getElementById(id);
  panel.scrollIntoView({ block: 'nearest' });
  put($('#say'), $('h2', panel).textContent + ': readings shown');
});
if (location.hash.startsWith('#d-')) pick(location.hash.slice(1));
$('.sub [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });

/* live values: asked for right after the card has asked the UPS; a hidden page asks nothing */
const ASK = 3000, LOST = 5000;
let etag, said, timer, asking, heard, heardAt;
const hear = () => {
    heard = Date.now();
    heardAt = cardTime().slice(11, 19);
  },
  lost = on => {
    if ($('#lost').hidden !== on) return;
    if (on) put($('#lost time'), heardAt);
    $('#lost').hidden = !on;
    grey(on);
  },
  grey = on => {
    root.toggleAttribute('data-stale', on);
    $$('[data-act]').forEach(b => (b.disabled = on));
  },
  texts = values => {
    for (const n of $$('[data-v]')) if (n.dataset.v in values) put(n, values[n.dataset.v]);
    for (const n of $$('[data-m]')) n.setAttribute('width', Math.min(100, parseFloat(values[n.dataset.m]) || 0) + '%');
  },
  key = n => n.id + n.dataset.h,
  /* children that did not change stay, with what is typed in them */
  merge = (old, fresh) => {
    const wanted = new Set([...fresh.children].map(key));
    for (const c of [...old.children]) if (!wanted.has(key(c))) c.remove();
    let at = old.firstElementChild;
    for (const c of [...fresh.children]) {
      if (at && key(at) === key(c)) at = at.nextElementSibling;
      else old.insertBefore(c, at);
    }
    while (at) {
      const gone = at;
      at = at.nextElementSibling;
      gone.remove();
    }
    old.dataset.h = fresh.dataset.h;
  },
  swap = fresh => {
    const old = document.getElementById(fresh.id);
    if (!old || old.dataset.h === fresh.dataset.h) return;
    if ('keyed' in fresh.dataset) return merge(old, fresh);
    const at = document.activeElement,
      same = old.contains(at) && (at.id ? '#' + at.id : at.getAttribute('href') && `[href="${at.getAttribute('href')}"]`);
    old.replaceWith(fresh);
    if (same) (fresh.matches(same) ? fresh : $$(same, fresh).find(n => n.getClientRects().length))?.focus({ preventScroll: true });
  },
  get = async (url, headers) => {
    const r = await fetch(url, { headers, signal: asking.signal, redirect: 'manual' });
    if (r.status === 401) location = main.dataset.login + '?next=' + encodeURIComponent(location.pathname + location.search);
    else if (r.status === 403) location.reload();
    if (r.status !== 200 && r.status !== 304) throw r.status;
    return r;
  },
  ask = async () => {
    clearTimeout(timer);
    asking?.abort();
    const mine = (asking = new AbortController()),
      stop = setTimeout(() => mine.abort(), ASK);
    let wait = 1000, soon = false;
    try {
      const r = await get(main.dataset.live, etag ? { 'If-None-Match': etag } : {}), h = r.headers;
      if (h.get('X-Boot') !== main.dataset.boot) return location.reload();
      if (r.status === 200) {
        const d = await r.json();
        if ($$('[data-h]').some(n => d.s[n.id] && d.s[n.id] !== n.dataset.h)) {
          const part = await (await get(main.dataset.live.replace('?', '/part?'))).text();
          $$('[data-h]', new DOMParser().parseFromString(part, 'text/html')).forEach(swap);
          if (picked) pick(picked);
          soon = true;
        }
        texts(d.v);
        if (said !== undefined && said !== d.say) put($('#say'), d.say);
        said = d.say;
        etag = h.get('ETag');
      }
      setClock(h.get('X-Clock'), +h.get('X-Up'));
      hear();
      lost(false);
      grey(false);
      tick();
      /* one change brings others: a state its alarm, an alarm its event */
      wait = soon ? 250 : +h.get('X-Next-Ms') || wait;
    } catch (e) {
      if (asking !== mine) return;
    } finally {
      clearTimeout(stop);
      if (asking === mine && !document.hidden) timer = setTimeout(ask, wait);
    }
  };
if (main?.dataset.live) {
  hear();
  document.addEventListener('visibilitychange', () => {
    clearTimeout(timer);
    if (document.hidden) return asking?.abort();
    /* until the card has answered, nothing from before may look current */
    if (Date.now() - heard > LOST) grey(true);
    hear();
    ask();
  });
  setInterval(() => !document.hidden && Date.now() - heard > LOST && lost(true), 500);
  addEventListener('pageshow', e => e.persisted && location.reload());
  if (!document.hidden) ask();
}

/* settings: count what differs from what is saved, and ask before leaving it */
const guard = $('form[data-guard]');
if (guard) {
  const was = JSON.parse(guard.elements.seen.value);
  let n = 0;
  const count = () => {
    n = $$('.field [name]', guard).filter(i => (i.type === 'checkbox' ? (i.checked ? 'on' : 'off') : i.value.trim()) !== (was[i.name] ?? '')).length;
    put($('[data-n]', guard), n ? n + ' unsaved' : 'No changes');
    $('.savebar .main', guard).disabled = !n;
  };
  guard.addEventListener('input', count);
  guard.addEventListener('submit', () => (n = 0));
  $('.savebar a', guard).addEventListener('click', () => (n = 0));
  addEventListener('beforeunload', e => n && e.preventDefault());
  count();
}
$('#errors')?.focus();

/* sign in: show what is typed, count down a wait (the card decides, not this) */
$('[data-show]')?.addEventListener('change', e =>
  $$('[autocomplete$=-password]').forEach(i => (i.type = e.target.checked ? 'text' : 'password')),
);
const hold = $('[data-wait]');
if (hold) {
  const end = now() + +hold.dataset.wait,
    label = hold.textContent,
    count = () => {
      const s = Math.ceil(end - now());
      hold.disabled = s > 0;
      hold.textContent = s > 0 ? `${label} (${s} s)` : label;
      if (s > 0) setTimeout(count, 250);
    };
  count();
}
