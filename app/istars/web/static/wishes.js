/* A set of events ticks its events at once, a tick makes an own choice; without this the card does the same when it saves. */
{
  const form = document.querySelector('form[data-wishes]'),
    note = form.querySelector('[data-n]'),
    button = form.querySelector('.savebar .main'),
    ticks = select => form.querySelectorAll(`input[name="${select.name.replace(/events$/, 'codes')}"]`),
    count = () => {
      const selects = [...form.querySelectorAll('select')],
        n = selects.filter(s => !s.options[s.selectedIndex].defaultSelected || [...ticks(s)].some(t => t.checked !== t.defaultChecked)).length;
      note.textContent = n ? `${n} unsaved` : 'No changes';
      button.disabled = !n;
      return n;
    };
  let sent = false;
  form.addEventListener('change', e => {
    if (e.target.matches('select') && e.target.value !== 'chosen')
      for (const t of ticks(e.target)) t.checked = t.closest('tr').dataset.presets.split(' ').includes(e.target.value);
    else if (e.target.matches('[type=checkbox]')) form.elements[e.target.name.replace(/codes$/, 'events')].value = 'chosen';
    count();
  });
  form.addEventListener('submit', () => (sent = true));
  form.querySelector('.savebar a').addEventListener('click', () => (sent = true));
  addEventListener('beforeunload', e => !sent && count() && e.preventDefault());
  addEventListener('pageshow', count);
  count();
}
