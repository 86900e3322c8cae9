/* Sends the update file and shows how far it is; without this the form sends it, and the browser shows how far. */
{
  const form = document.querySelector('form[data-upload]'),
    sent = document.getElementById('sent');
  form?.addEventListener('submit', e => {
    e.preventDefault();
    const file = form.elements.file.files[0],
      button = form.querySelector('button'),
      ask = new XMLHttpRequest(),
      end = text => {
        sent.textContent = text;
        button.disabled = false;
      };
    ask.open('PUT', form.dataset.upload);
    ask.setRequestHeader('X-CSRFToken', form.dataset.token);
    ask.setRequestHeader('Content-Type', 'application/octet-stream');
    ask.upload.onprogress = p => (sent.textContent = `${Math.floor((100 * p.loaded) / (p.total || 1))} % sent`);
    ask.onload = () => {
      if (ask.status === 200) {
        form.reset();
        return end('The file has arrived.');
      }
      let told = `The card answered with status ${ask.status}.`;
      try {
        told = JSON.parse(ask.responseText).message;
      } catch {
        /* a proxy in between answers in its own words */
      }
      end(told);
    };
    ask.onerror = () => end('The file did not arrive. Send it again.');
    button.disabled = true;
    sent.textContent = '0 % sent';
    ask.send(file);
  });
}
