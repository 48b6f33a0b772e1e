// Signs in with the password of a link's fragment, which the browser keeps to itself.

const form = document.getElementById("login");
const password = decodeURIComponent(location.hash.slice(1));
if (form && password) {
  history.replaceState(null, "", location.pathname + location.search);
  form.elements.password.value = password;
  form.submit();
}
