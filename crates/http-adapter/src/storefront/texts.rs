//! What the pages say, in every language they speak.

/// The text with `{}` replaced.
pub(super) fn fill(text: &str, value: &str) -> String {
    text.replacen("{}", value, 1)
}

macro_rules! texts {
    ($($name:ident: $en:literal, $es:literal, $fr:literal, $de:literal, $it:literal, $pt:literal, $zh:literal,
       $ru:literal;)*) => {
        /// Every text of the pages. `{}` stands for what is named in between.
        #[derive(Debug)]
        pub(super) struct Texts {
            $(pub(super) $name: &'static str,)*
        }

        impl Texts {
            pub(super) const EN: Self = Self { $($name: $en),* };
            pub(super) const ES: Self = Self { $($name: $es),* };
            pub(super) const FR: Self = Self { $($name: $fr),* };
            pub(super) const DE: Self = Self { $($name: $de),* };
            pub(super) const IT: Self = Self { $($name: $it),* };
            pub(super) const PT: Self = Self { $($name: $pt),* };
            pub(super) const ZH: Self = Self { $($name: $zh),* };
            pub(super) const RU: Self = Self { $($name: $ru),* };

            #[cfg(test)]
            fn all(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }
    };
}

texts! {
    skip: "Skip to content", "Ir al contenido", "Aller au contenu", "Zum Inhalt", "Vai al contenuto",
        "Ir para o conteúdo", "跳到内容", "К содержанию";
    all_apps: "All apps", "Todas las aplicaciones", "Toutes les applications", "Alle Apps", "Tutte le app",
        "Todos os aplicativos", "所有应用", "Все приложения";
    search: "Search", "Buscar", "Rechercher", "Suchen", "Cerca", "Pesquisar", "搜索", "Найти";
    search_label: "Search apps", "Buscar aplicaciones", "Rechercher des applications", "Apps suchen", "Cerca app",
        "Pesquisar aplicativos", "搜索应用", "Поиск приложений";
    device_label: "Show apps for", "Mostrar aplicaciones para", "Afficher les applications pour", "Apps zeigen für",
        "Mostra app per", "Mostrar aplicativos para", "显示适用于", "Показать приложения для";
    all_devices: "All devices", "Todos los dispositivos", "Tous les appareils", "Alle Geräte",
        "Tutti i dispositivi", "Todos os dispositivos", "所有设备", "Все устройства";
    your_device: "your device", "su dispositivo", "votre appareil", "Ihr Gerät", "il tuo dispositivo",
        "seu dispositivo", "您的设备", "ваше устройство";
    sign_in: "Sign in", "Iniciar sesión", "Se connecter", "Anmelden", "Accedi", "Entrar", "登录", "Войти";
    sign_out: "Sign out", "Cerrar sesión", "Se déconnecter", "Abmelden", "Esci", "Sair", "退出", "Выйти";
    sign_in_lead: "Sign in to see the apps that are meant for you.",
        "Inicie sesión para ver las aplicaciones destinadas a usted.",
        "Connectez-vous pour voir les applications qui vous sont destinées.",
        "Melden Sie sich an, um die Apps zu sehen, die für Sie bestimmt sind.",
        "Accedi per vedere le app destinate a te.",
        "Entre para ver os aplicativos destinados a você.",
        "请登录以查看为您提供的应用。",
        "Войдите, чтобы увидеть предназначенные для вас приложения.";
    user_name: "E-mail or user name", "Correo electrónico o usuario", "E-mail ou nom d’utilisateur",
        "E-Mail oder Benutzername", "E-mail o nome utente", "E-mail ou nome de usuário", "电子邮箱或用户名",
        "Эл. почта или имя пользователя";
    password: "Password", "Contraseña", "Mot de passe", "Passwort", "Password", "Senha", "密码", "Пароль";
    password_lead: "This app is shown to those who know its password.",
        "Esta aplicación se muestra a quienes conocen su contraseña.",
        "Cette application est montrée à ceux qui connaissent son mot de passe.",
        "Diese App wird denen gezeigt, die ihr Passwort kennen.",
        "Questa app è mostrata a chi ne conosce la password.",
        "Este aplicativo é mostrado a quem sabe a senha dele.",
        "此应用仅向知道密码的人显示。",
        "Это приложение показывают тем, кто знает его пароль.";
    password_failed: "That is not the password. Check it and try again.",
        "Esa no es la contraseña. Revísela e inténtelo de nuevo.",
        "Ce n’est pas le bon mot de passe. Vérifiez-le et réessayez.",
        "Das ist nicht das Passwort. Prüfen Sie es und versuchen Sie es erneut.",
        "La password non è questa. Controllala e riprova.",
        "Essa não é a senha. Verifique-a e tente novamente.",
        "密码不正确。请检查后重试。",
        "Это не тот пароль. Проверьте его и попробуйте ещё раз.";
    go_on: "Continue", "Continuar", "Continuer", "Weiter", "Continua", "Continuar", "继续", "Продолжить";
    terms: "Terms of use", "Condiciones de uso", "Conditions d’utilisation", "Nutzungsbedingungen",
        "Condizioni d’uso", "Termos de uso", "使用条款", "Условия использования";
    agree: "I agree to the terms of use", "Acepto las condiciones de uso", "J’accepte les conditions d’utilisation",
        "Ich stimme den Nutzungsbedingungen zu", "Accetto le condizioni d’uso", "Aceito os termos de uso",
        "我同意使用条款", "Я принимаю условия использования";
    sign_in_failed: "This name and password do not match. Check both and try again.",
        "El nombre y la contraseña no coinciden. Revíselos e inténtelo de nuevo.",
        "Ce nom et ce mot de passe ne correspondent pas. Vérifiez-les et réessayez.",
        "Name und Passwort passen nicht zusammen. Prüfen Sie beide und versuchen Sie es erneut.",
        "Il nome e la password non corrispondono. Controllali e riprova.",
        "O nome e a senha não correspondem. Verifique-os e tente novamente.",
        "用户名与密码不匹配。请检查后重试。",
        "Имя и пароль не подходят друг к другу. Проверьте их и попробуйте ещё раз.";
    sign_in_limited: "Too many attempts. Wait a few minutes and try again.",
        "Demasiados intentos. Espere unos minutos e inténtelo de nuevo.",
        "Trop de tentatives. Attendez quelques minutes et réessayez.",
        "Zu viele Versuche. Warten Sie einige Minuten und versuchen Sie es erneut.",
        "Troppi tentativi. Attendi qualche minuto e riprova.",
        "Tentativas demais. Espere alguns minutos e tente novamente.",
        "尝试次数过多。请等待几分钟后重试。",
        "Слишком много попыток. Подождите несколько минут и попробуйте ещё раз.";
    version: "Version {}", "Versión {}", "Version {}", "Version {}", "Versione {}", "Versão {}", "版本 {}",
        "Версия {}";
    updated: "Updated {}", "Actualizado el {}", "Mis à jour le {}", "Aktualisiert am {}", "Aggiornato il {}",
        "Atualizado em {}", "更新于 {}", "Обновлено {}";
    no_apps: "No apps yet", "Todavía no hay aplicaciones", "Pas encore d’application", "Noch keine Apps",
        "Ancora nessuna app", "Ainda não há aplicativos", "暂无应用", "Приложений пока нет";
    no_apps_text: "At the moment there is nothing for you in this store.",
        "En este momento no hay nada para usted en esta tienda.",
        "Il n’y a rien pour vous dans cette boutique pour le moment.",
        "Zurzeit gibt es in diesem Store nichts für Sie.",
        "Al momento in questo store non c’è nulla per te.",
        "No momento não há nada para você nesta loja.",
        "目前此商店中没有适合您的内容。",
        "Сейчас в этом магазине для вас ничего нет.";
    nothing_found: "Nothing found", "Sin resultados", "Aucun résultat", "Nichts gefunden", "Nessun risultato",
        "Nada encontrado", "未找到结果", "Ничего не найдено";
    nothing_found_text: "No app matches. Try other words, or look at all apps.",
        "Ninguna aplicación coincide. Pruebe otras palabras o vea todas las aplicaciones.",
        "Aucune application ne correspond. Essayez d’autres mots ou voyez toutes les applications.",
        "Keine App passt. Versuchen Sie andere Wörter oder sehen Sie alle Apps an.",
        "Nessuna app corrisponde. Prova altre parole o guarda tutte le app.",
        "Nenhum aplicativo corresponde. Tente outras palavras ou veja todos os aplicativos.",
        "没有匹配的应用。请尝试其他关键词，或查看所有应用。",
        "Нет подходящих приложений. Попробуйте другие слова или посмотрите все приложения.";
    pages: "Pages", "Páginas", "Pages", "Seiten", "Pagine", "Páginas", "页码", "Страницы";
    previous: "Previous", "Anterior", "Précédent", "Zurück", "Precedente", "Anterior", "上一页", "Назад";
    next: "Next", "Siguiente", "Suivant", "Weiter", "Successiva", "Próxima", "下一页", "Вперёд";
    contact: "Need help? Contact {}", "¿Necesita ayuda? Contacte con {}", "Besoin d’aide ? Contactez {}",
        "Brauchen Sie Hilfe? Wenden Sie sich an {}", "Serve aiuto? Contatta {}", "Precisa de ajuda? Contate {}",
        "需要帮助？请联系 {}", "Нужна помощь? Обратитесь: {}";
    contact_unknown: "Need help? Ask whoever gave you this address.",
        "¿Necesita ayuda? Pregunte a quien le dio esta dirección.",
        "Besoin d’aide ? Demandez à la personne qui vous a donné cette adresse.",
        "Brauchen Sie Hilfe? Fragen Sie, wer Ihnen diese Adresse gegeben hat.",
        "Serve aiuto? Chiedi a chi ti ha dato questo indirizzo.",
        "Precisa de ajuda? Pergunte a quem lhe deu este endereço.",
        "需要帮助？请询问向您提供此地址的人。",
        "Нужна помощь? Спросите того, кто дал вам этот адрес.";
    not_found: "Not found", "No encontrado", "Introuvable", "Nicht gefunden", "Non trovato", "Não encontrado",
        "未找到", "Не найдено";
    not_found_text: "This page does not exist, or it is not meant for you.",
        "Esta página no existe o no está destinada a usted.",
        "Cette page n’existe pas ou ne vous est pas destinée.",
        "Diese Seite gibt es nicht, oder sie ist nicht für Sie bestimmt.",
        "Questa pagina non esiste o non è destinata a te.",
        "Esta página não existe ou não é destinada a você.",
        "此页面不存在，或不对您开放。",
        "Этой страницы нет, или она не предназначена для вас.";
    link_over: "This link is no longer valid", "Este enlace ya no es válido", "Ce lien n’est plus valable",
        "Dieser Link gilt nicht mehr", "Questo link non è più valido", "Este link não é mais válido",
        "此链接已失效", "Эта ссылка больше не действует";
    link_over_text: "Links for installing are good for a short time. Go back to the app’s page and start again.",
        "Los enlaces de instalación valen poco tiempo. Vuelva a la página de la aplicación y empiece de nuevo.",
        "Les liens d’installation sont valables peu de temps. Revenez à la page de l’application et recommencez.",
        "Links zum Installieren gelten nur kurze Zeit. Gehen Sie zurück zur Seite der App und beginnen Sie neu.",
        "I link di installazione valgono per poco tempo. Torna alla pagina dell’app e ricomincia.",
        "Os links de instalação valem por pouco tempo. Volte à página do aplicativo e comece de novo.",
        "安装链接仅在短时间内有效。请返回应用页面重新开始。",
        "Ссылки для установки действуют недолго. Вернитесь на страницу приложения и начните заново.";
    refused: "This did not work", "No ha funcionado", "Cela n’a pas fonctionné", "Das hat nicht geklappt",
        "Non ha funzionato", "Isso não funcionou", "操作未成功", "Не получилось";
    refused_text: "The request could not be understood. Go back and try again.",
        "No se pudo entender la solicitud. Vuelva atrás e inténtelo de nuevo.",
        "La demande n’a pas pu être comprise. Revenez en arrière et réessayez.",
        "Die Anfrage war nicht zu verstehen. Gehen Sie zurück und versuchen Sie es erneut.",
        "Non è stato possibile capire la richiesta. Torna indietro e riprova.",
        "Não foi possível entender o pedido. Volte e tente novamente.",
        "无法理解该请求。请返回重试。",
        "Запрос не удалось понять. Вернитесь назад и попробуйте ещё раз.";
    failed: "Something went wrong", "Algo ha fallado", "Une erreur s’est produite", "Etwas ist schiefgegangen",
        "Qualcosa è andato storto", "Algo deu errado", "出现问题", "Что-то пошло не так";
    failed_text: "The fault is on our side. Try again in a few minutes.",
        "El fallo es nuestro. Inténtelo de nuevo en unos minutos.",
        "La faute vient de nous. Réessayez dans quelques minutes.",
        "Der Fehler liegt bei uns. Versuchen Sie es in einigen Minuten erneut.",
        "L’errore è nostro. Riprova tra qualche minuto.",
        "A falha é nossa. Tente novamente em alguns minutos.",
        "问题出在我们这边。请几分钟后重试。",
        "Ошибка на нашей стороне. Попробуйте через несколько минут.";
    install: "Install", "Instalar", "Installer", "Installieren", "Installa", "Instalar", "安装", "Установить";
    download: "Download", "Descargar", "Télécharger", "Herunterladen", "Scarica", "Baixar", "下载", "Скачать";
    open_on_phone: "Open on your phone", "Abra en su teléfono", "Ouvrez sur votre téléphone",
        "Auf dem Telefon öffnen", "Apri sul telefono", "Abra no seu telefone", "在手机上打开",
        "Откройте на телефоне";
    scan: "Scan this code with the camera of your phone, or open this link there:",
        "Escanee este código con la cámara de su teléfono o abra allí este enlace:",
        "Scannez ce code avec l’appareil photo de votre téléphone ou ouvrez-y ce lien :",
        "Scannen Sie diesen Code mit der Kamera Ihres Telefons oder öffnen Sie dort diesen Link:",
        "Inquadra questo codice con la fotocamera del telefono o apri lì questo link:",
        "Escaneie este código com a câmera do telefone ou abra nele este link:",
        "用手机摄像头扫描此二维码，或在手机上打开此链接：",
        "Отсканируйте этот код камерой телефона или откройте на нём эту ссылку:";
    qr_code: "QR code of this page’s address", "Código QR de la dirección de esta página",
        "Code QR de l’adresse de cette page", "QR-Code der Adresse dieser Seite",
        "Codice QR dell’indirizzo di questa pagina", "Código QR do endereço desta página",
        "本页地址的二维码", "QR-код адреса этой страницы";
    this_is_ipad: "This is an iPad: install here", "Esto es un iPad: instalar aquí", "C’est un iPad : installer ici",
        "Das ist ein iPad: hier installieren", "Questo è un iPad: installa qui", "Isto é um iPad: instalar aqui",
        "这是 iPad：在此安装", "Это iPad: установить здесь";
    expired: "Expired", "Caducada", "Expirée", "Abgelaufen", "Scaduta", "Expirado", "已过期", "Срок истёк";
    expired_text: "What this version was signed for ended on {}. Devices refuse it; ask for a new version.",
        "La firma de esta versión venció el {}. Los dispositivos la rechazan; pida una versión nueva.",
        "La signature de cette version a expiré le {}. Les appareils la refusent ; demandez une nouvelle version.",
        "Die Signatur dieser Version ist am {} abgelaufen. Geräte lehnen sie ab; bitten Sie um eine neue Version.",
        "La firma di questa versione è scaduta il {}. I dispositivi la rifiutano; chiedi una nuova versione.",
        "A assinatura desta versão expirou em {}. Os dispositivos a recusam; peça uma nova versão.",
        "此版本的签名已于 {} 到期，设备会拒绝安装。请索取新版本。",
        "Подпись этой версии истекла {}. Устройства её не примут; попросите новую версию.";
    wrong_device: "Not for this device", "No es para este dispositivo", "Pas pour cet appareil",
        "Nicht für dieses Gerät", "Non per questo dispositivo", "Não é para este dispositivo", "不适用于此设备",
        "Не для этого устройства";
    wrong_device_text: "This app is for {}. Open this page on such a device.",
        "Esta aplicación es para {}. Abra esta página en un dispositivo así.",
        "Cette application est pour {}. Ouvrez cette page sur un tel appareil.",
        "Diese App ist für {}. Öffnen Sie diese Seite auf einem solchen Gerät.",
        "Questa app è per {}. Apri questa pagina su un dispositivo di quel tipo.",
        "Este aplicativo é para {}. Abra esta página em um dispositivo desse tipo.",
        "此应用适用于 {}。请在相应设备上打开此页面。",
        "Это приложение для {}. Откройте эту страницу на таком устройстве.";
    system_too_old: "Your system is too old", "Su sistema es demasiado antiguo", "Votre système est trop ancien",
        "Ihr System ist zu alt", "Il tuo sistema è troppo vecchio", "Seu sistema é antigo demais",
        "您的系统版本过低", "Ваша система слишком старая";
    system_too_old_text: "This version needs {}. Update the system of your device first.",
        "Esta versión necesita {}. Actualice primero el sistema de su dispositivo.",
        "Cette version nécessite {}. Mettez d’abord à jour le système de votre appareil.",
        "Diese Version braucht {}. Aktualisieren Sie zuerst das System Ihres Geräts.",
        "Questa versione richiede {}. Aggiorna prima il sistema del dispositivo.",
        "Esta versão precisa de {}. Atualize primeiro o sistema do dispositivo.",
        "此版本需要 {}。请先更新设备系统。",
        "Для этой версии нужна система {}. Сначала обновите систему устройства.";
    not_offered: "Not available", "No disponible", "Indisponible", "Nicht verfügbar", "Non disponibile",
        "Indisponível", "不可用", "Недоступно";
    not_offered_text: "No version can be installed at the moment.",
        "En este momento no se puede instalar ninguna versión.",
        "Aucune version ne peut être installée pour le moment.",
        "Zurzeit kann keine Version installiert werden.",
        "Al momento non è possibile installare alcuna versione.",
        "No momento nenhuma versão pode ser instalada.",
        "目前没有可安装的版本。",
        "Сейчас нельзя установить ни одну версию.";
    also_for: "Also for other devices", "También para otros dispositivos", "Aussi pour d’autres appareils",
        "Auch für andere Geräte", "Anche per altri dispositivi", "Também para outros dispositivos",
        "也适用于其他设备", "Также для других устройств";
    about: "About this app", "Acerca de esta aplicación", "À propos de cette application", "Über diese App",
        "Informazioni sull’app", "Sobre este aplicativo", "关于此应用", "О приложении";
    whats_new: "What’s new", "Novedades", "Nouveautés", "Neuerungen", "Novità", "Novidades", "新内容",
        "Что нового";
    no_notes: "Nothing was noted for this version.", "No hay notas para esta versión.",
        "Rien n’a été noté pour cette version.", "Zu dieser Version wurde nichts vermerkt.",
        "Nessuna nota per questa versione.", "Não há notas para esta versão.", "此版本没有说明。",
        "Для этой версии нет заметок.";
    history: "Version history", "Historial de versiones", "Historique des versions", "Versionsverlauf",
        "Cronologia delle versioni", "Histórico de versões", "版本历史", "История версий";
    current: "current", "actual", "actuelle", "aktuell", "attuale", "atual", "当前", "текущая";
    details: "Details", "Detalles", "Détails", "Einzelheiten", "Dettagli", "Detalhes", "详细信息", "Сведения";
    published: "Published", "Publicada", "Publiée", "Veröffentlicht", "Pubblicata", "Publicado", "发布时间",
        "Опубликовано";
    size: "Size", "Tamaño", "Taille", "Größe", "Dimensione", "Tamanho", "大小", "Размер";
    needs: "Needs", "Requiere", "Nécessite", "Benötigt", "Richiede", "Requer", "系统要求", "Требуется";
    or_newer: "{} or newer", "{} o posterior", "{} ou plus récent", "{} oder neuer", "{} o successivo",
        "{} ou mais recente", "{} 或更高版本", "{} или новее";
    processors: "Processors", "Procesadores", "Processeurs", "Prozessoren", "Processori", "Processadores",
        "处理器", "Процессоры";
    identifier: "Identifier", "Identificador", "Identifiant", "Kennung", "Identificatore", "Identificador",
        "标识符", "Идентификатор";
    permissions: "Permissions", "Permisos", "Autorisations", "Berechtigungen", "Autorizzazioni", "Permissões",
        "权限", "Разрешения";
    new_permission: "new in this version", "nuevo en esta versión", "nouveau dans cette version",
        "neu in dieser Version", "nuova in questa versione", "nova nesta versão", "此版本新增",
        "новое в этой версии";
    trust: "Signature and checksum", "Firma y suma de verificación", "Signature et somme de contrôle",
        "Signatur und Prüfsumme", "Firma e checksum", "Assinatura e soma de verificação", "签名与校验和",
        "Подпись и контрольная сумма";
    signer: "Signing certificate that the package names (SHA-256)",
        "Certificado de firma que indica el paquete (SHA-256)",
        "Certificat de signature indiqué par le paquet (SHA-256)",
        "Signaturzertifikat, das das Paket nennt (SHA-256)",
        "Certificato di firma indicato dal pacchetto (SHA-256)",
        "Certificado de assinatura indicado pelo pacote (SHA-256)", "软件包注明的签名证书 (SHA-256)",
        "Сертификат подписи, указанный в пакете (SHA-256)";
    other_signer: "another than in the version before", "distinto del de la versión anterior",
        "différent de celui de la version précédente", "ein anderes als in der Version davor",
        "diverso da quello della versione precedente", "diferente do da versão anterior", "与上一版本不同",
        "не тот, что в предыдущей версии";
    unsigned: "not signed", "sin firma", "non signé", "nicht signiert", "non firmato", "sem assinatura", "未签名",
        "без подписи";
    checksum: "File (SHA-256)", "Archivo (SHA-256)", "Fichier (SHA-256)", "Datei (SHA-256)", "File (SHA-256)",
        "Arquivo (SHA-256)", "文件 (SHA-256)", "Файл (SHA-256)";
    valid_until: "Signature valid until", "Firma válida hasta", "Signature valable jusqu’au",
        "Signatur gültig bis", "Firma valida fino al", "Assinatura válida até", "签名有效期至",
        "Подпись действительна до";
    help: "Help with installing", "Ayuda para instalar", "Aide à l’installation", "Hilfe zum Installieren",
        "Aiuto per l’installazione", "Ajuda para instalar", "安装帮助", "Помощь по установке";
    help_android: "When Android asks, allow your browser to install apps. If it speaks of a conflict with an \
        installed package, remove the old app first: it was signed by someone else.",
        "Cuando Android lo pregunte, permita que el navegador instale aplicaciones. Si indica un conflicto con un \
        paquete instalado, quite primero la aplicación anterior: la firmó otra persona.",
        "Lorsque Android le demande, autorisez votre navigateur à installer des applications. S’il signale un \
        conflit avec un paquet installé, retirez d’abord l’ancienne application : elle a été signée par quelqu’un \
        d’autre.",
        "Wenn Android fragt, erlauben Sie Ihrem Browser, Apps zu installieren. Meldet es einen Konflikt mit einem \
        vorhandenen Paket, entfernen Sie zuerst die alte App: Sie wurde von jemand anderem signiert.",
        "Quando Android lo chiede, consenti al browser di installare app. Se segnala un conflitto con un pacchetto \
        installato, rimuovi prima la vecchia app: è stata firmata da altri.",
        "Quando o Android perguntar, permita que o navegador instale aplicativos. Se ele falar de conflito com um \
        pacote instalado, remova antes o aplicativo antigo: foi assinado por outra pessoa.",
        "Android 询问时，请允许浏览器安装应用。如果提示与已安装的软件包冲突，请先卸载旧应用：它由其他方签名。",
        "Когда Android спросит, разрешите браузеру устанавливать приложения. Если он сообщает о конфликте с \
        установленным пакетом, сначала удалите старое приложение: его подписал кто-то другой.";
    help_ios: "Open this page in Safari. After you confirm, the app appears on the Home Screen. When iOS says that \
        the developer is not trusted: Settings, General, VPN & Device Management, then trust the developer.",
        "Abra esta página en Safari. Tras confirmar, la aplicación aparece en la pantalla de inicio. Si iOS dice que \
        el desarrollador no es de confianza: Ajustes, General, VPN y gestión de dispositivos, y confíe en él.",
        "Ouvrez cette page dans Safari. Après confirmation, l’application apparaît sur l’écran d’accueil. Si iOS dit \
        que le développeur n’est pas approuvé : Réglages, Général, VPN et gestion de l’appareil, puis approuvez-le.",
        "Öffnen Sie diese Seite in Safari. Nach der Bestätigung erscheint die App auf dem Home-Bildschirm. Sagt iOS, \
        der Entwickler sei nicht vertrauenswürdig: Einstellungen, Allgemein, VPN und Geräteverwaltung, dann vertrauen.",
        "Apri questa pagina in Safari. Dopo la conferma l’app appare nella schermata Home. Se iOS dice che lo \
        sviluppatore non è attendibile: Impostazioni, Generali, VPN e gestione dispositivo, poi autorizza.",
        "Abra esta página no Safari. Após confirmar, o aplicativo aparece na Tela de Início. Se o iOS disser que o \
        desenvolvedor não é confiável: Ajustes, Geral, VPN e Gerenciamento de Dispositivo, e confie nele.",
        "请在 Safari 中打开此页面。确认后，应用会出现在主屏幕上。如果 iOS 提示开发者不受信任：前往“设置”>“通用”>“VPN 与设备管理”，然后信任该开发者。",
        "Откройте эту страницу в Safari. После подтверждения приложение появится на экране «Домой». Если iOS сообщает, \
        что разработчику не доверяют: Настройки, Основные, VPN и управление устройством, затем «Доверять».";
    ready: "Ready to install", "Listo para instalar", "Prêt à installer", "Bereit zum Installieren",
        "Pronta per l’installazione", "Pronto para instalar", "准备安装", "Готово к установке";
    ready_ios: "Tap Install and confirm. The app then appears on your Home Screen.",
        "Toque Instalar y confirme. La aplicación aparecerá en la pantalla de inicio.",
        "Touchez Installer et confirmez. L’application apparaît ensuite sur l’écran d’accueil.",
        "Tippen Sie auf Installieren und bestätigen Sie. Die App erscheint dann auf dem Home-Bildschirm.",
        "Tocca Installa e conferma. L’app apparirà nella schermata Home.",
        "Toque em Instalar e confirme. O aplicativo aparecerá na Tela de Início.",
        "轻点“安装”并确认。应用随后会出现在主屏幕上。",
        "Нажмите «Установить» и подтвердите. Приложение появится на экране «Домой».";
    ready_file: "Download the file, then open it to install.",
        "Descargue el archivo y ábralo para instalar.",
        "Téléchargez le fichier, puis ouvrez-le pour installer.",
        "Laden Sie die Datei herunter und öffnen Sie sie dann zum Installieren.",
        "Scarica il file, poi aprilo per installare.",
        "Baixe o arquivo e abra-o para instalar.",
        "下载文件，然后打开文件进行安装。",
        "Скачайте файл, затем откройте его для установки.";
    not_secure: "iOS installs over https only. Tell whoever runs this store.",
        "iOS solo instala mediante https. Avise a quien administra esta tienda.",
        "iOS n’installe que par https. Prévenez la personne qui gère cette boutique.",
        "iOS installiert nur über https. Sagen Sie es denen, die diesen Store betreiben.",
        "iOS installa solo tramite https. Avvisa chi gestisce questo store.",
        "O iOS instala apenas por https. Avise quem administra esta loja.",
        "iOS 仅通过 https 安装。请告知此商店的管理者。",
        "iOS устанавливает только по https. Сообщите тем, кто ведёт этот магазин.";
    link_until: "This link is good until {}.", "Este enlace vale hasta {}.", "Ce lien est valable jusqu’à {}.",
        "Dieser Link gilt bis {}.", "Questo link vale fino a {}.", "Este link vale até {}.", "此链接有效期至 {}。",
        "Эта ссылка действует до {}.";
    screenshots: "Screenshots", "Capturas de pantalla", "Captures d’écran", "Bildschirmfotos", "Schermate",
        "Capturas de tela", "屏幕截图", "Снимки экрана";
    screenshot: "Screenshot {}", "Captura de pantalla {}", "Capture d’écran {}", "Bildschirmfoto {}", "Schermata {}",
        "Captura de tela {}", "屏幕截图 {}", "Снимок экрана {}";
    tags: "Tags", "Etiquetas", "Étiquettes", "Schlagwörter", "Etichette", "Etiquetas", "标签", "Метки";
    category: "Category", "Categoría", "Catégorie", "Kategorie", "Categoria", "Categoria", "类别", "Категория";
    other_ways: "Not on this page", "No en esta página", "Pas sur cette page", "Nicht auf dieser Seite",
        "Non in questa pagina", "Não nesta página", "不能在此页面使用", "Не на этой странице";
    other_ways_text: "These ways in lead through another provider. This page does not ask there, and lets nobody in by them.",
        "Estos accesos pasan por otro proveedor. Esta página no lo consulta y no deja entrar a nadie por ellos.",
        "Ces accès passent par un autre fournisseur. Cette page ne l’interroge pas et ne laisse entrer personne par là.",
        "Diese Zugänge führen über einen anderen Anbieter. Diese Seite fragt dort nicht nach und lässt niemanden darüber ein.",
        "Questi accessi passano per un altro fornitore. Questa pagina non lo interroga e non lascia entrare nessuno così.",
        "Estes acessos passam por outro provedor. Esta página não o consulta e não deixa ninguém entrar por eles.",
        "这些登录方式需要通过其他提供方。此页面不会向其查询，也不会据此允许任何人进入。",
        "Эти способы входа ведут через другого поставщика. Эта страница к нему не обращается и никого по ним не впускает.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storefront::language::Language;

    #[test]
    fn every_language_says_everything() {
        let english = Texts::EN.all();
        for language in Language::ALL {
            let same = language
                .texts()
                .all()
                .into_iter()
                .zip(&english)
                .filter(|((name, text), (_, original))| {
                    assert!(!text.trim().is_empty(), "{name} in {language:?}");
                    let holes = |text: &str| text.matches("{}").count();
                    assert_eq!(holes(text), holes(original), "{name} in {language:?}");
                    assert!(!text.contains("  "), "{name} in {language:?}");
                    language != Language::En && text == original
                })
                .count();
            // Such as "Version {}", which is French and German too.
            assert!(same <= 5, "{language:?} has {same} texts of English");
        }
    }
}
